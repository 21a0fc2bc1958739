//go:build tools

// Package tools pins Packer 1.9.4, the last release under the MPL, and the Hyper-V plugin of its time, with every module
// they are built from. They are built as dependencies of this module because `go install` asks the proxy for a list of
// versions, which it may not have.
package tools

import (
	_ "github.com/hashicorp/packer"
	_ "github.com/hashicorp/packer-plugin-hyperv"
)
