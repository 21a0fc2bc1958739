#Requires -Version 5.1
#Requires -Modules Hyper-V
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Makes a Hyper-V virtual machine from @NAME@.vhdx.
.DESCRIPTION
Generation 2 with the Secure Boot template that Linux needs (or Generation 1), static memory, processors and data disk
of the chosen tier, one management adapter, @CAPTURE_NICS@ capture adapter(s) as port mirroring destinations without VMQ,
NDIS capture on the capture switches, their external ports as mirroring sources, and the activation token by seed CD or
key-value pair. Safe to run again: what is already there is left as it is. Try it with -WhatIf.
.EXAMPLE
.\Import-EyotSensor.ps1 -ManagementSwitch LAN -CaptureSwitch vSwitch_Span -SeedIso .\seed.iso -Start
.EXAMPLE
.\Import-EyotSensor.ps1 -ManagementSwitch LAN -CaptureSwitch vSwitch_Span -TokenFile .\token.txt -Tier large -WhatIf
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    # Switch through which the sensor reaches its portal
    [Parameter(Mandatory)] [string] $ManagementSwitch,
    # Switch with mirrored traffic, one per capture adapter
    [Parameter(Mandatory)] [string[]] $CaptureSwitch,
    [string] $VMName = '@NAME@',
    [string] $Vhdx = (Join-Path $PSScriptRoot '@NAME@.vhdx'),
    # Directory for the virtual machine and its disks
    [string] $Destination = (Get-VMHost).VirtualHardDiskPath,
    [ValidateSet(@TIER_SET@)] [string] $Tier = 'standard',
    [ValidateSet(1, 2)] [int] $Generation = 2,
    # Seed CD from the portal or `eyot-image seed`
    [string] $SeedIso,
    # File with the activation token, handed over as a key-value pair instead of on a CD
    [string] $TokenFile,
    # VLANs that the capture adapters receive with their tags, for example 1-4094
    [string] $TrunkVlans,
    # Leave the capture switches as they are
    [switch] $KeepSwitches,
    [switch] $Start
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$tiers = @{
@TIERS@
}
$size = $tiers[$Tier]

if (@($CaptureSwitch).Count -ne @CAPTURE_NICS@) {
    throw "this image has @CAPTURE_NICS@ capture adapter(s), but $(@($CaptureSwitch).Count) capture switch(es) were given"
}
if (-not (Test-Path -LiteralPath $Vhdx)) { throw "cannot find $Vhdx" }
foreach ($switch in @($ManagementSwitch) + @($CaptureSwitch)) {
    if (-not (Get-VMSwitch -Name $switch -ErrorAction SilentlyContinue)) { throw "there is no virtual switch $switch" }
}
if ($SeedIso -and -not (Test-Path -LiteralPath $SeedIso)) { throw "cannot find $SeedIso" }
if ($TokenFile -and -not (Test-Path -LiteralPath $TokenFile)) { throw "cannot find $TokenFile" }

$folder = Join-Path $Destination $VMName
$systemDisk = Join-Path $folder "$VMName.vhdx"
$dataDisk = Join-Path $folder "$VMName-data.vhdx"

# Disks. Hyper-V refuses files that NTFS calls sparse (0xC03A001A), so the flag is cleared on the copy.
if (-not (Test-Path -LiteralPath $folder)) { New-Item -ItemType Directory -Path $folder | Out-Null }
if (-not (Test-Path -LiteralPath $systemDisk)) {
    if ($PSCmdlet.ShouldProcess($systemDisk, 'copy the system disk')) {
        $partial = "$systemDisk.partial"
        Copy-Item -LiteralPath $Vhdx -Destination $partial -Force
        & fsutil.exe sparse setflag $partial 0 | Out-Null
        Move-Item -LiteralPath $partial -Destination $systemDisk
    }
}
if (-not (Test-Path -LiteralPath $dataDisk)) {
    if ($PSCmdlet.ShouldProcess($dataDisk, "make a data disk of $($size.DataGiB) GiB")) {
        New-VHD -Path $dataDisk -SizeBytes ($size.DataGiB * 1GB) -Dynamic -BlockSizeBytes 1MB | Out-Null
    }
}

# The machine. Its adapters are made below, in order.
$vm = Get-VM -Name $VMName -ErrorAction SilentlyContinue
if ($vm) {
    Write-Verbose "virtual machine $VMName is already there"
} elseif ($PSCmdlet.ShouldProcess($VMName, "make a Generation $Generation virtual machine")) {
    $vm = New-VM -Name $VMName -Generation $Generation -MemoryStartupBytes ($size.MemoryMiB * 1MB) `
        -VHDPath $systemDisk -Path $Destination
    Get-VMNetworkAdapter -VM $vm | Remove-VMNetworkAdapter
    Set-VM -VM $vm -AutomaticStartAction Start -AutomaticStopAction ShutDown -CheckpointType Disabled
}
if (-not $vm) { return }
if ($vm.State -ne 'Off') {
    Write-Warning "$VMName is running; processors, memory and firmware stay as they are"
} else {
    if ($PSCmdlet.ShouldProcess($VMName, "$($size.Cpus) processors, $($size.MemoryMiB) MiB of static memory")) {
        Set-VMProcessor -VM $vm -Count $size.Cpus
        Set-VMMemory -VM $vm -DynamicMemoryEnabled $false -StartupBytes ($size.MemoryMiB * 1MB)
    }
    if ($vm.Generation -eq 2 -and $PSCmdlet.ShouldProcess($VMName, 'Secure Boot with the template for Linux')) {
        Set-VMFirmware -VM $vm -EnableSecureBoot On -SecureBootTemplate MicrosoftUEFICertificateAuthority
        $first = Get-VMHardDiskDrive -VM $vm | Where-Object Path -EQ $systemDisk
        Set-VMFirmware -VM $vm -FirstBootDevice $first
    }
}
$attached = @(Get-VMHardDiskDrive -VM $vm | ForEach-Object Path)
if ($attached -notcontains $dataDisk -and $PSCmdlet.ShouldProcess($VMName, 'attach the data disk')) {
    Add-VMHardDiskDrive -VM $vm -ControllerType SCSI -Path $dataDisk
}

# Adapters: management first, so that the guest finds it first.
$wanted = @([pscustomobject]@{ Name = 'Management'; Switch = $ManagementSwitch })
for ($n = 0; $n -lt @($CaptureSwitch).Count; $n++) {
    $wanted += [pscustomobject]@{ Name = "Capture-$($n + 1)"; Switch = @($CaptureSwitch)[$n] }
}
$naming = @{}
if ($vm.Generation -eq 2) { $naming['DeviceNaming'] = 'On' }
foreach ($adapter in $wanted) {
    $present = Get-VMNetworkAdapter -VM $vm | Where-Object Name -EQ $adapter.Name
    if (-not $present -and $PSCmdlet.ShouldProcess($VMName, "add adapter $($adapter.Name) on $($adapter.Switch)")) {
        Add-VMNetworkAdapter -VM $vm -Name $adapter.Name -SwitchName $adapter.Switch @naming
    }
    if ($adapter.Name -ne 'Management' -and $PSCmdlet.ShouldProcess($adapter.Name, 'mirroring destination, no VMQ')) {
        Get-VMNetworkAdapter -VM $vm | Where-Object Name -EQ $adapter.Name |
            Set-VMNetworkAdapter -PortMirroring Destination -VmqWeight 0
        if ($TrunkVlans) {
            Get-VMNetworkAdapter -VM $vm | Where-Object Name -EQ $adapter.Name |
                Set-VMNetworkAdapterVlan -Trunk -NativeVlanId 0 -AllowedVlanIdList $TrunkVlans
        }
    }
}

# Capture switches: what comes in from outside is mirrored to the destinations above.
if (-not $KeepSwitches) {
    foreach ($switch in @($CaptureSwitch | Select-Object -Unique)) {
        if (-not $PSCmdlet.ShouldProcess($switch, 'NDIS capture; external port as mirroring source')) { continue }
        Enable-VMSwitchExtension -VMSwitchName $switch -Name 'Microsoft NDIS Capture' | Out-Null
        $feature = 'Ethernet Switch Port Security Settings'
        if ((Get-VMSwitch -Name $switch).SwitchType -ne 'External') {
            Write-Warning "$switch has no external port; only traffic between its virtual machines can be mirrored"
            continue
        }
        $current = Get-VMSwitchExtensionPortFeature -FeatureName $feature -SwitchName $switch -ExternalPort
        if ($current) {
            $current.SettingData.MonitorMode = 2
            Set-VMSwitchExtensionPortFeature -ExternalPort -SwitchName $switch -VMSwitchExtensionFeature $current | Out-Null
        } else {
            $new = Get-VMSystemSwitchExtensionPortFeature -FeatureName $feature
            $new.SettingData.MonitorMode = 2
            Add-VMSwitchExtensionPortFeature -ExternalPort -SwitchName $switch -VMSwitchExtensionFeature $new | Out-Null
        }
    }
}

# Settings: by CD, or by key-value pair.
if ($SeedIso -and $PSCmdlet.ShouldProcess($VMName, "insert $SeedIso")) {
    $iso = (Resolve-Path -LiteralPath $SeedIso).Path
    $drive = Get-VMDvdDrive -VM $vm | Select-Object -First 1
    if ($drive) { Set-VMDvdDrive -VMDvdDrive $drive -Path $iso } else { Add-VMDvdDrive -VM $vm -Path $iso }
}
if ($Start -and (Get-VM -Name $VMName).State -eq 'Off' -and $PSCmdlet.ShouldProcess($VMName, 'start')) {
    Start-VM -VM $vm
}
if ($TokenFile -and $PSCmdlet.ShouldProcess($VMName, 'hand over the activation token as a key-value pair')) {
    $namespace = 'root\virtualization\v2'
    $service = Get-CimInstance -Namespace $namespace -ClassName Msvm_VirtualSystemManagementService
    $system = Get-CimInstance -Namespace $namespace -ClassName Msvm_ComputerSystem |
        Where-Object Name -EQ $vm.Id.Guid
    $class = Get-CimClass -Namespace $namespace -ClassName Msvm_KvpExchangeDataItem
    $item = New-CimInstance -CimClass $class -ClientOnly -Property @{
        Name = '@TOKEN_KEY@'; Data = (Get-Content -Raw -LiteralPath $TokenFile).Trim(); Source = [uint16]0
    }
    $serializer = [Microsoft.Management.Infrastructure.Serialization.CimSerializer]::Create()
    $none = [Microsoft.Management.Infrastructure.Serialization.InstanceSerializationOptions]::None
    $embedded = [System.Text.Encoding]::Unicode.GetString($serializer.Serialize($item, $none))
    $result = Invoke-CimMethod -InputObject $service -MethodName AddKvpItems `
        -Arguments @{ TargetSystem = $system; DataItems = @($embedded) }
    # 0 is done, 4096 is "a job was started".
    if ($result.ReturnValue -notin 0, 4096) {
        throw "Hyper-V did not take the key-value pair (code $($result.ReturnValue)); use -SeedIso instead"
    }
}
Write-Output "$VMName is ready"
