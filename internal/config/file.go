package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// maxFile bounds the file, in bytes: a wrong path must not be read into memory.
const maxFile = 1 << 20

// readFile returns the content of path. A missing file is no error unless it was
// asked for by name.
func readFile(path string, named bool) (data []byte, found bool, err error) {
	if path == "" {
		return nil, false, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return nil, false, nil
	case err != nil:
		return nil, false, unreadable(path, err)
	case !info.Mode().IsRegular():
		return nil, false, unreadable(path, errors.New("it is not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, false, unreadable(path, err)
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %s", workspace.FormatSize(maxFile))
	}
	if err != nil {
		return nil, false, unreadable(path, err)
	}
	return data, true, nil
}

func unreadable(path string, err error) error {
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fault.New(fault.Invalid, "config_unreadable", "cannot read the configuration file %s: %v", path, err).
		WithHint("name another file with --config or %s, or leave it out", EnvFile).WithCause(err)
}

// keyLines returns the line on which each key of a TOML file stands, by its
// dotted name, in the order of the file. A name has a NUL in it where a quoted
// key holds a dot itself, so that it matches no real key. A table without keys stands
// for itself, as "name."; one of a list of tables, which no setting is, as "[[name]]".
func keyLines(data []byte) (names []string, lines map[string]int, err error) {
	var p unstable.Parser
	p.Reset(data)
	lines = map[string]int{}
	var table, list, empty string
	note := func() {
		if empty != "" {
			names = append(names, empty)
		}
		empty = ""
	}
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			note()
			name, line := dotted(&p, "", e.Key())
			if e.Kind == unstable.ArrayTable {
				list = name
				names = append(names, "[["+name+"]]")
				lines["[["+name+"]]"] = line
				continue
			}
			table, list, empty = name, "", name+"."
			lines[empty] = line
		case unstable.KeyValue:
			if empty = ""; list == "" {
				names = addKeys(&p, names, lines, table, e)
			}
		}
	}
	note()
	return names, lines, p.Error()
}

// addKeys notes the key of e, or those inside it where its value is an inline table.
func addKeys(p *unstable.Parser, names []string, lines map[string]int, table string, e *unstable.Node) []string {
	name, line := dotted(p, table, e.Key())
	if v := e.Value(); v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			names = addKeys(p, names, lines, name, it.Node())
		}
		return names
	}
	lines[name] = line
	return append(names, name)
}

// dotted joins table and a key; line is where the key begins.
func dotted(p *unstable.Parser, table string, key unstable.Iterator) (name string, line int) {
	name = table
	for key.Next() {
		n := key.Node()
		if line == 0 {
			line = p.Shape(n.Raw).Start.Line
		}
		if name != "" {
			name += "."
		}
		name += strings.ReplaceAll(string(n.Data), ".", "\x00")
	}
	return name, line
}

// syntaxFault tells where a TOML file is wrong.
func syntaxFault(path string, data []byte, err error) error {
	detail, where := "is not valid TOML", path
	var derr *toml.DecodeError
	var perr *unstable.ParserError
	switch {
	case errors.As(err, &derr):
		row, col := derr.Position()
		where, detail = fmt.Sprintf("%s:%d:%d", path, row, col), strings.TrimPrefix(derr.Error(), "toml: ")
	case errors.As(err, &perr):
		// The decoder knows the place; the parser only the bytes.
		if again := toml.Unmarshal(data, &map[string]any{}); errors.As(again, &derr) {
			return syntaxFault(path, data, again)
		}
		detail = perr.Message
	}
	return fault.New(fault.Invalid, "config_syntax", "%s: %s", where, detail).
		WithHint("see docs/configuration.md for the form of the file").WithField("", "config_syntax", where).WithCause(err)
}
