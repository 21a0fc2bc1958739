package vcsim

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmware/govmomi/cli"
	// The commands that the import script and these tests call; each registers itself.
	_ "github.com/vmware/govmomi/cli/about"
	_ "github.com/vmware/govmomi/cli/device"
	_ "github.com/vmware/govmomi/cli/host/portgroup"
	_ "github.com/vmware/govmomi/cli/importx"
	_ "github.com/vmware/govmomi/cli/object"
	_ "github.com/vmware/govmomi/cli/vm"
)

// asGovc makes this test program be govc: the same commands, without a second program to build.
const asGovc = "EYOT_TEST_AS_GOVC"

var (
	// program is eyot-image, ova the archive as it ships.
	program, ova string
	// govcFolder holds a program called govc, for the import script's PATH.
	govcFolder string
)

func TestMain(m *testing.M) {
	if os.Getenv(asGovc) != "" {
		os.Exit(cli.Run(os.Args[1:]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	program, ova = os.Getenv("EYOT_IMAGE"), os.Getenv("EYOT_OVA")
	for name, path := range map[string]string{"EYOT_IMAGE": program, "EYOT_OVA": ova} {
		if _, err := os.Stat(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s must name a file (eyot-image, the OVA under test): %v\n", name, err)
			return 1
		}
	}
	folder, err := os.MkdirTemp("", "eyot-govc.")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	own, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asGovc, own)
	if err := os.WriteFile(filepath.Join(folder, "govc"), []byte(script), 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	govcFolder = folder
	return m.Run()
}

// environment of a govc that talks to this simulator, or to none.
func environment(t *testing.T, s *Simulator) []string {
	env := append(os.Environ(), "PATH="+govcFolder+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
	if s == nil {
		// Asked for by every command; `import.spec` of a local file then has no use for it.
		env = append(env, "GOVC_URL=https://vcenter.invalid")
	} else {
		env = append(env, "GOVC_URL="+s.URL, "GOVC_INSECURE=1", "GOVC_HOST=DC0_H0",
			"GOVC_RESOURCE_POOL=/DC0/host/DC0_H0/Resources")
	}
	return env
}

// command runs a program to its end and returns what it printed on both streams.
func command(t *testing.T, env []string, name string, arguments ...string) (string, error) {
	t.Helper()
	// The path of the environment given, not of ours, decides what "govc" is.
	if name == "govc" {
		name = filepath.Join(govcFolder, "govc")
	}
	c := exec.Command(name, arguments...)
	c.Env = env
	var both bytes.Buffer
	c.Stdout, c.Stderr = &both, &both
	err := c.Run()
	return both.String(), err
}

// must is command for what has to succeed.
func must(t *testing.T, env []string, name string, arguments ...string) string {
	t.Helper()
	said, err := command(t, env, name, arguments...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, said)
	}
	return said
}

// makeOva writes an OVA of a small disk with these options and returns its path.
func makeOva(t *testing.T, options ...string) string {
	t.Helper()
	folder := t.TempDir()
	raw := filepath.Join(folder, "disk.raw")
	content := bytes.Repeat([]byte("a disk that holds something. "), 20_000)
	if err := os.WriteFile(raw, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(raw, 64<<20); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(folder, "eyot-test.ova")
	must(t, os.Environ(), program, append([]string{"ova", raw, made, "--quiet"}, options...)...)
	return made
}
