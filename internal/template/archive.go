package template

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"

	"github.com/wsctl/wsctl/internal/fault"
)

// ParseArchive reads a template's whole folder from a zip archive: template.toml at its
// top, files and build beside it. Nothing is unpacked: each entry is read up to the same
// bounds as a file of a folder.
func ParseArchive(data []byte, name string) (Template, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return Template{}, fault.New(fault.Invalid, "archive_invalid", "the template is not a zip archive").WithCause(err)
	}
	manifest, err := readManifest(z, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return Template{}, fault.New(fault.Invalid, "template_missing", "there is no %s in the folder", manifestName).
			WithHint("wsctl template new makes one to begin with")
	}
	if err != nil {
		return Template{}, fault.New(fault.Invalid, "archive_invalid", "cannot read %s in the archive", manifestName).WithCause(err)
	}
	return Parse(manifest, name, z)
}
