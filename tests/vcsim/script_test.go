package vcsim

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// images writes OVA, VHDX and the scripts that import them, and returns the path of import-esxi.sh.
func images(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	raw := filepath.Join(folder, "disk.raw")
	if err := os.WriteFile(raw, []byte("a disk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(raw, 8<<20); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(folder, "out")
	must(t, os.Environ(), program, "images", raw, "--out-dir", out, "--name", "eyot-test", "--quiet")
	return filepath.Join(out, "import-esxi.sh")
}

type portGroup struct {
	Spec struct {
		Name   string
		VlanID int
		Policy struct {
			Security struct{ AllowPromiscuous, MacChanges, ForgedTransmits *bool }
		}
	}
}

// group is a port group of the host as govc shows it.
func group(t *testing.T, env []string, name string) portGroup {
	t.Helper()
	var shown struct{ Portgroup []portGroup }
	text := must(t, env, "govc", "host.portgroup.info", "-json")
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, one := range shown.Portgroup {
		if one.Spec.Name == name {
			return one
		}
	}
	t.Fatalf("there is no port group %s: %s", name, text)
	return portGroup{}
}

func TestImportScript(t *testing.T) {
	s := start(t)
	env := environment(t, s)
	script := images(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("eyot1_very\"secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, env, "govc", "host.portgroup.add", "-vswitch", "vSwitch0", "SPAN")
	arguments := []string{"--management", "VM Network", "--capture", "SPAN", "--token-file", token,
		"--hostname", "sensor-1", "--tier", "large", "--vm", "sensor", "--power-on"}

	said := must(t, env, script, append(arguments, "--dry-run")...)
	if !strings.Contains(said, "would run: govc import.ova") || strings.Contains(said, "very") {
		t.Errorf("--dry-run says %s", said)
	}
	if found := strings.TrimSpace(must(t, env, "govc", "find", "/", "-type", "m", "-name", "sensor")); found != "" {
		t.Fatalf("--dry-run made %s", found)
	}
	if before := group(t, env, "SPAN"); before.Spec.VlanID != 0 {
		t.Fatalf("--dry-run changed the port group: %+v", before.Spec)
	}

	said = must(t, env, script, arguments...)
	if strings.Contains(said, "very") {
		t.Errorf("the script shows the token: %s", said)
	}
	vm := look(t, s, "sensor")
	if vm.Config.Hardware.NumCPU != 8 || property(t, vm, "activation_token") != "eyot1_very\"secret" || property(t, vm, "host_name") != "sensor-1" {
		t.Errorf("imported with %d CPUs, token %q, host name %q", vm.Config.Hardware.NumCPU, property(t, vm, "activation_token"), property(t, vm, "host_name"))
	}
	if vm.Runtime.PowerState != "poweredOn" {
		t.Errorf("the machine is %s", vm.Runtime.PowerState)
	}
	security := group(t, env, "SPAN").Spec
	for word, on := range map[string]*bool{
		"promiscuous mode": security.Policy.Security.AllowPromiscuous,
		"MAC changes":      security.Policy.Security.MacChanges,
		"forged transmits": security.Policy.Security.ForgedTransmits,
	} {
		if on == nil || !*on {
			t.Errorf("the capture port group does not accept %s", word)
		}
	}
	if security.VlanID != 4095 {
		t.Errorf("the capture port group has VLAN %d", security.VlanID)
	}

	made := vm.Reference()
	said = must(t, env, script, arguments...)
	if !strings.Contains(said, "already there") || !strings.Contains(said, "already running") {
		t.Errorf("the second run says %s", said)
	}
	if again := look(t, s, "sensor").Reference(); again != made {
		t.Errorf("the second run made another machine: %v, before %v", again, made)
	}
	if changed := strings.Contains(said, "opened"); changed {
		t.Errorf("the second run changed the port group again: %s", said)
	}
}

func TestImportScriptRefusals(t *testing.T) {
	s := start(t)
	env := environment(t, s)
	script := images(t)
	for said, arguments := range map[string][]string{
		"--management is missing":     {"--capture", "SPAN"},
		"--capture was given 0 time":  {"--management", "VM Network"},
		"tier huge is none of":        {"--management", "VM Network", "--capture", "SPAN", "--tier", "huge"},
		"cannot read":                 {"--management", "VM Network", "--capture", "SPAN", "--ova", "/nowhere.ova"},
		"there is no network Nowhere": {"--management", "Nowhere", "--capture", "VM Network"},
		"unknown option --colour":     {"--colour"},
	} {
		if words, err := command(t, env, script, arguments...); err == nil || !strings.Contains(words, said) {
			t.Errorf("%v: expected %q, got (%v) %s", arguments, said, err, words)
		}
	}
	if found := strings.TrimSpace(must(t, env, "govc", "find", "/", "-type", "m")); found != "" {
		t.Errorf("a refused run made %s", found)
	}
}
