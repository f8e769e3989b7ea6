package front

import "testing"

func TestAWorkspaceHasAPreviewPageUntilTheLastIsClosed(t *testing.T) {
	var p previews
	leave, other := p.enter("a"), p.enter("a")
	if !p.isOpen("a") || p.isOpen("b") {
		t.Errorf("open: %v", p.open)
	}
	leave()
	if !p.isOpen("a") {
		t.Error("one of two pages was closed, and none counts as open")
	}
	other()
	if p.isOpen("a") || len(p.open) != 0 {
		t.Errorf("all are closed: %v", p.open)
	}
}
