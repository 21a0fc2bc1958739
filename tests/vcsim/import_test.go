package vcsim

import (
	"archive/tar"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// options is what `govc import.spec` prints and `govc import.ova -options` reads.
type options struct {
	Deployment       string
	DiskProvisioning string
	PropertyMapping  []mapping
	NetworkMapping   []mapping
	Name             *string `json:",omitempty"`
}

type mapping struct {
	Key, Value    string `json:",omitempty"`
	Name, Network string `json:",omitempty"`
}

func start(t *testing.T) *Simulator {
	t.Helper()
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// importSpec is the wizard's form, as govc makes it from our OVA.
func importSpec(t *testing.T) options {
	t.Helper()
	var form options
	if err := json.Unmarshal([]byte(must(t, environment(t, nil), "govc", "import.spec", ova)), &form); err != nil {
		t.Fatal(err)
	}
	return form
}

func (o options) file(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "options.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fill answers the form; a key that the form does not have is a mistake.
func (o options) fill(t *testing.T, properties, networks map[string]string) {
	t.Helper()
	for key, value := range properties {
		found := false
		for n := range o.PropertyMapping {
			if o.PropertyMapping[n].Key == key {
				o.PropertyMapping[n].Value, found = value, true
			}
		}
		if !found {
			t.Fatalf("the form does not ask for %s", key)
		}
	}
	for n := range o.NetworkMapping {
		network, found := networks[o.NetworkMapping[n].Name]
		if !found {
			t.Fatalf("the form asks for network %s", o.NetworkMapping[n].Name)
		}
		o.NetworkMapping[n].Network = network
	}
}

// look reads the machine that was made.
func look(t *testing.T, s *Simulator, name string) mo.VirtualMachine {
	t.Helper()
	for _, entity := range s.model.Service.Context.Map.All("VirtualMachine") {
		if entity.Entity().Name == name {
			var vm mo.VirtualMachine
			client := s.client(t)
			if err := object.NewVirtualMachine(client, entity.Reference()).Properties(t.Context(), entity.Reference(), nil, &vm); err != nil {
				t.Fatal(err)
			}
			return vm
		}
	}
	t.Fatalf("there is no virtual machine %s", name)
	return mo.VirtualMachine{}
}

func property(t *testing.T, vm mo.VirtualMachine, id string) string {
	t.Helper()
	for _, p := range vm.Config.VAppConfig.GetVmConfigInfo().Property {
		if p.Id == id {
			return p.Value
		}
	}
	t.Fatalf("the machine has no property %s", id)
	return ""
}

func TestSpecAsksWhatTheApplianceUnderstands(t *testing.T) {
	form := importSpec(t)
	if form.Deployment != "standard" {
		t.Errorf("the default deployment option is %q", form.Deployment)
	}
	var networks []string
	for _, network := range form.NetworkMapping {
		networks = append(networks, network.Name)
	}
	if strings.Join(networks, " ") != "Management Capture-1" {
		t.Errorf("networks %v", networks)
	}
	form.fill(t, map[string]string{
		"activation_token": "x", "host_name": "x", "management_mode": "static", "management_address": "x",
		"management_gateway": "x", "management_dns": "x", "proxy_url": "x", "proxy_username": "x", "proxy_password": "x",
		"proxy_exceptions": "x", "time_servers": "x", "portal_ca": "x", "capture_interfaces": "x",
	}, map[string]string{"Management": "a", "Capture-1": "b"})
}

func TestOvaImportsInBothSizesWithItsManifestChecked(t *testing.T) {
	s := start(t)
	for _, want := range machines {
		form := importSpec(t)
		form.Deployment = want.option
		form.fill(t,
			map[string]string{"activation_token": "eyot1_secret", "management_mode": "static", "management_address": "192.0.2.10/24"},
			map[string]string{"Management": "VM Network", "Capture-1": "DC0_DVPG0"})
		name := "eyot-" + want.option
		must(t, environment(t, s), "govc", "import.ova", "-m", "-name", name, "-options", form.file(t), ova)

		vm := look(t, s, name)
		if vm.Config.Hardware.NumCPU != want.cpus || int64(vm.Config.Hardware.MemoryMB) != want.memoryMB {
			t.Errorf("%s: %d CPUs, %d MB", name, vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB)
		}
		if got := property(t, vm, "activation_token"); got != "eyot1_secret" {
			t.Errorf("%s: the token became %q", name, got)
		}
		if got := property(t, vm, "management_address"); got != "192.0.2.10/24" {
			t.Errorf("%s: the address became %q", name, got)
		}
		list := object.VirtualDeviceList(vm.Config.Hardware.Device)
		disks := list.SelectByType((*types.VirtualDisk)(nil))
		if len(disks) != 2 || disks[1].(*types.VirtualDisk).CapacityInKB != want.dataGiB<<20 {
			t.Errorf("%s: disks %v", name, disks)
		}
		if len(list.SelectByType((*types.ParaVirtualSCSIController)(nil))) != 1 {
			t.Errorf("%s: no paravirtual SCSI controller", name)
		}
		nics := list.SelectByType((*types.VirtualVmxnet3)(nil))
		if len(nics) != 2 {
			t.Fatalf("%s: %d vmxnet3 adapters", name, len(nics))
		}
		if backing, ok := nics[0].GetVirtualDevice().Backing.(*types.VirtualEthernetCardNetworkBackingInfo); !ok || backing.DeviceName != "VM Network" {
			t.Errorf("%s: Management is on %v", name, nics[0].GetVirtualDevice().Backing)
		}
		if _, ok := nics[1].GetVirtualDevice().Backing.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo); !ok {
			t.Errorf("%s: Capture-1 is on %v", name, nics[1].GetVirtualDevice().Backing)
		}
	}
}

func TestDamagedOvaIsRefused(t *testing.T) {
	s := start(t)
	whole := makeOva(t)
	damaged := filepath.Join(t.TempDir(), "damaged.ova")
	// One byte of the disk, in the middle; the archive's own frame stays whole.
	in, err := os.Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(damaged)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	reader, writer := tar.NewReader(in), tar.NewWriter(out)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(header.Name, ".vmdk") {
			content[len(content)/2] ^= 1
		}
		if err := writer.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	must(t, environment(t, s), "govc", "import.ova", "-m", "-name", "whole", whole)
	said, err := command(t, environment(t, s), "govc", "import.ova", "-m", "-name", "damaged", damaged)
	if err == nil || !strings.Contains(said, "mismatch with uploaded checksum") {
		t.Errorf("a damaged OVA was taken (%v): %s", err, said)
	}
}

func TestOnlyQuestionsCanBeAnswered(t *testing.T) {
	s := start(t)
	form := options{Deployment: "standard", PropertyMapping: []mapping{{Key: "activation_token", Value: "eyot1_x"}}}
	must(t, environment(t, s), "govc", "import.ova", "-name", "answered", "-options", form.file(t), makeOva(t))
	if vm := look(t, s, "answered"); property(t, vm, "host_name") != "" {
		t.Error("a question nobody answered has an answer")
	}
}
