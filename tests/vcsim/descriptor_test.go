package vcsim

import (
	"archive/tar"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/vim25/types"
)

// machine is what a deployment option must come to.
type machine struct {
	option   string
	cpus     int32
	memoryMB int64
	dataGiB  int64
}

var machines = []machine{
	{"standard", 4, 16_384, 250},
	{"large", 8, 32_768, 500},
}

// envelope reads the descriptor of an OVA with this deployment option as the default; the library makes a machine of
// the default only.
func envelope(t *testing.T, archive, option string) *ovf.Envelope {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	members := tar.NewReader(file)
	first, err := members.Next()
	if err != nil || !strings.HasSuffix(first.Name, ".ovf") {
		t.Fatalf("the first member is %v, not a descriptor (%v)", first, err)
	}
	text, err := io.ReadAll(members)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ovf.Unmarshal(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for n := range e.DeploymentOption.Configuration {
		configuration := &e.DeploymentOption.Configuration[n]
		chosen := configuration.ID == option
		configuration.Default, found = &chosen, found || chosen
	}
	if !found {
		t.Fatalf("there is no deployment option %s", option)
	}
	return e
}

func spec(t *testing.T, archive, option string) types.VirtualMachineConfigSpec {
	t.Helper()
	config, err := envelope(t, archive, option).ToConfigSpecWithOptions(ovf.ToConfigSpecOptions{Strict: true})
	if err != nil {
		t.Fatalf("%s: %v", option, err)
	}
	return config
}

// hardware sorts the devices by what they are.
type hardware struct {
	disks []*types.VirtualDisk
	scsi  []*types.ParaVirtualSCSIController
	nics  []*types.VirtualVmxnet3
	cds   []*types.VirtualCdrom
	other []types.BaseVirtualDevice
}

func devices(config types.VirtualMachineConfigSpec) hardware {
	var found hardware
	for _, change := range config.DeviceChange {
		switch device := change.GetVirtualDeviceConfigSpec().Device.(type) {
		case *types.VirtualDisk:
			found.disks = append(found.disks, device)
		case *types.ParaVirtualSCSIController:
			found.scsi = append(found.scsi, device)
		case *types.VirtualVmxnet3:
			found.nics = append(found.nics, device)
		case *types.VirtualCdrom:
			found.cds = append(found.cds, device)
		case *types.VirtualIDEController:
		default:
			found.other = append(found.other, device)
		}
	}
	return found
}

func slot(device types.BaseVirtualDevice) int32 {
	if at, ok := device.GetVirtualDevice().SlotInfo.(*types.VirtualDevicePciBusSlotInfo); ok {
		return at.PciSlotNumber
	}
	return 0
}

func TestBothDeploymentOptionsBecomeTheMachinesTheyPromise(t *testing.T) {
	for _, want := range machines {
		config := spec(t, ova, want.option)
		if config.NumCPUs != want.cpus || config.MemoryMB != want.memoryMB {
			t.Errorf("%s: %d CPUs, %d MB; want %d, %d", want.option, config.NumCPUs, config.MemoryMB, want.cpus, want.memoryMB)
		}
		if config.Version != "vmx-13" || config.Firmware != "bios" {
			t.Errorf("%s: hardware %s, firmware %s", want.option, config.Version, config.Firmware)
		}
		found := devices(config)
		if len(found.other) != 0 {
			t.Errorf("%s: devices nobody asked for: %v", want.option, found.other)
		}
		if len(found.scsi) != 1 || slot(found.scsi[0]) != 160 {
			t.Fatalf("%s: not one paravirtual SCSI controller in slot 160: %v", want.option, found.scsi)
		}
		if len(found.disks) != 2 {
			t.Fatalf("%s: %d disks, want system and data", want.option, len(found.disks))
		}
		system, data := found.disks[0], found.disks[1]
		if data.CapacityInBytes != want.dataGiB<<30 {
			t.Errorf("%s: the data disk has %d bytes, want %d GiB", want.option, data.CapacityInBytes, want.dataGiB)
		}
		if system.CapacityInBytes == 0 || system.CapacityInBytes == data.CapacityInBytes {
			t.Errorf("%s: the system disk has %d bytes", want.option, system.CapacityInBytes)
		}
		for n, disk := range found.disks {
			if disk.ControllerKey != found.scsi[0].Key || disk.UnitNumber == nil || int(*disk.UnitNumber) != n {
				t.Errorf("%s: disk %d is not unit %d of the SCSI controller", want.option, n, n)
			}
		}
		if len(found.cds) != 1 {
			t.Errorf("%s: %d CD drives", want.option, len(found.cds))
		}
		if len(found.nics) != 2 || slot(found.nics[0]) != 192 || slot(found.nics[1]) != 224 {
			t.Errorf("%s: adapters %v", want.option, found.nics)
		}
	}
}

func TestOptionsOfTheToolReachTheMachine(t *testing.T) {
	made := makeOva(t, "--capture-nics", "3", "--firmware", "efi", "--secure-boot", "--hardware-version", "19")
	for _, want := range machines {
		config := spec(t, made, want.option)
		if config.Version != "vmx-19" || config.Firmware != "efi" {
			t.Errorf("hardware %s, firmware %s", config.Version, config.Firmware)
		}
		if config.BootOptions == nil || config.BootOptions.EfiSecureBootEnabled == nil || !*config.BootOptions.EfiSecureBootEnabled {
			t.Error("Secure Boot is not on")
		}
		found := devices(config)
		if len(found.nics) != 4 {
			t.Fatalf("%d adapters, want Management and three for capture", len(found.nics))
		}
		last := int32(0)
		for n, nic := range found.nics {
			if slot(nic) <= last {
				t.Errorf("adapter %d is in slot %d, after %d", n, slot(nic), last)
			}
			last = slot(nic)
		}
		if found.disks[0].CapacityInBytes != 64<<20 {
			t.Errorf("the system disk has %d bytes, not those of the disk that went in", found.disks[0].CapacityInBytes)
		}
	}
}

func TestPropertiesBecomeQuestions(t *testing.T) {
	config := spec(t, ova, "standard")
	if config.VAppConfig == nil {
		t.Fatal("no vApp configuration")
	}
	app := config.VAppConfig.GetVmConfigSpec()
	asked := map[string]bool{}
	for _, property := range app.Property {
		asked[property.Info.Id] = true
		if property.Info.Label == "" || property.Info.Description == "" || property.Info.Category == "" {
			t.Errorf("%s has no label, description or category", property.Info.Id)
		}
		if property.Info.UserConfigurable == nil || !*property.Info.UserConfigurable {
			t.Errorf("%s is not asked", property.Info.Id)
		}
	}
	for _, key := range []string{
		"activation_token", "proxy_password", "management_mode", "host_name", "management_address", "management_gateway",
		"management_dns", "capture_interfaces", "proxy_url", "proxy_exceptions", "time_servers", "portal_ca",
	} {
		if !asked[key] {
			t.Errorf("there is no property %s", key)
		}
	}
	if len(app.Product) != 1 || app.Product[0].Info.Name == "" || app.Product[0].Info.Version == "" {
		t.Errorf("product: %v", app.Product)
	}
}

// What the library reads and does not turn into a machine.
func TestDescriptorSaysWhatTheMachineCannot(t *testing.T) {
	system := envelope(t, ova, "standard").VirtualSystem
	if transport := system.VirtualHardware[0].Transport; transport == nil || *transport != "com.vmware.guestInfo iso" {
		t.Errorf("transport %v", transport)
	}
	if len(system.Eula) != 1 || !strings.Contains(system.Eula[0].License, "Apache") {
		t.Errorf("licence %v", system.Eula)
	}
	hidden := map[string]bool{}
	for _, property := range system.Product[0].Property {
		hidden[property.Key] = property.Password != nil && *property.Password
	}
	for key, want := range map[string]bool{"activation_token": true, "proxy_password": true, "host_name": false} {
		if got, there := hidden[key]; !there || got != want {
			t.Errorf("%s: password is %v", key, got)
		}
	}
}
