#Requires -Version 5.1
#Requires -Modules VMware.VimAutomation.Core
<#
.SYNOPSIS
Imports @NAME@.ova into vCenter with PowerCLI.
.DESCRIPTION
Maps the networks, hands over the activation token, and opens the capture port groups (standard or distributed) for
mirrored traffic: promiscuous mode, MAC changes and forged transmits accepted, all VLANs. Needs a session made with
Connect-VIServer. Safe to run again: what is already there is left as it is. Try it with -WhatIf.
.EXAMPLE
.\Import-EyotSensor.PowerCLI.ps1 -VMHost esx1 -Datastore ds1 -Management 'VM Network' -Capture SPAN -TokenFile .\token.txt
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)] [string] $VMHost,
    [Parameter(Mandatory)] [string] $Datastore,
    # Port group through which the sensor reaches its portal
    [Parameter(Mandatory)] [string] $Management,
    # Port groups with mirrored traffic, one per capture adapter
    [Parameter(Mandatory)] [string[]] $Capture,
    [string] $VMName = '@NAME@',
    [string] $Ova = (Join-Path $PSScriptRoot '@NAME@.ova'),
    [ValidateSet(@TIER_SET@)] [string] $Tier = 'standard',
    [string] $TokenFile,
    [string] $SensorHostName,
    # Leave the capture port groups as they are
    [switch] $KeepPortGroups,
    [switch] $Start
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

if (@($Capture).Count -ne @CAPTURE_NICS@) {
    throw "this image has @CAPTURE_NICS@ capture adapter(s), but $(@($Capture).Count) port group(s) were given"
}
if (-not (Test-Path -LiteralPath $Ova)) { throw "cannot find $Ova" }
if ($TokenFile -and -not (Test-Path -LiteralPath $TokenFile)) { throw "cannot find $TokenFile" }
$esx = Get-VMHost -Name $VMHost

function Get-AnyPortGroup([string] $Name) {
    $distributed = $null
    if (Get-Command Get-VDPortgroup -ErrorAction SilentlyContinue) {
        $distributed = Get-VDPortgroup -Name $Name -ErrorAction SilentlyContinue
    }
    if ($distributed) { return $distributed }
    $standard = Get-VirtualPortGroup -VMHost $esx -Standard -Name $Name -ErrorAction SilentlyContinue
    if (-not $standard) { throw "there is no port group $Name on $VMHost" }
    $standard
}

$managementGroup = Get-AnyPortGroup $Management
$captureGroups = @($Capture | ForEach-Object { Get-AnyPortGroup $_ })

$vm = Get-VM -Name $VMName -ErrorAction SilentlyContinue
if ($vm) {
    Write-Verbose "virtual machine $VMName is already there"
} elseif ($PSCmdlet.ShouldProcess($VMName, "import $Ova")) {
    $configuration = Get-OvfConfiguration -Ovf $Ova
    $configuration.DeploymentOption.Value = $Tier
    $configuration.NetworkMapping.Management.Value = $managementGroup
    for ($n = 0; $n -lt $captureGroups.Count; $n++) {
        # PowerCLI turns the hyphen of a network's name into an underscore.
        $configuration.NetworkMapping."Capture_$($n + 1)".Value = $captureGroups[$n]
    }
    if ($TokenFile) { $configuration.Common.@TOKEN_KEY@.Value = (Get-Content -Raw -LiteralPath $TokenFile).Trim() }
    if ($SensorHostName) { $configuration.Common.@HOSTNAME_KEY@.Value = $SensorHostName }
    $vm = Import-VApp -Source $Ova -OvfConfiguration $configuration -VMHost $esx -Datastore $Datastore -Name $VMName `
        -DiskStorageFormat Thin
}

if (-not $KeepPortGroups) {
    foreach ($group in $captureGroups) {
        if (-not $PSCmdlet.ShouldProcess($group.Name, 'accept promiscuous mode, MAC changes, forged transmits; all VLANs')) {
            continue
        }
        $policy = @{ AllowPromiscuous = $true; MacChanges = $true; ForgedTransmits = $true }
        if ($group.GetType().Name -like '*VDPortgroup*' -or $group.GetType().Name -like '*VmwareVDPortgroup*') {
            Get-VDSecurityPolicy -VDPortgroup $group | Set-VDSecurityPolicy @policy | Out-Null
            Set-VDVlanConfiguration -VDPortgroup $group -VlanTrunkRange '0-4094' -Confirm:$false | Out-Null
        } else {
            Get-SecurityPolicy -VirtualPortGroup $group | Set-SecurityPolicy @policy | Out-Null
            Set-VirtualPortGroup -VirtualPortGroup $group -VLanId 4095 -Confirm:$false | Out-Null
        }
    }
}
if ($vm -and $Start -and $vm.PowerState -eq 'PoweredOff' -and $PSCmdlet.ShouldProcess($VMName, 'start')) {
    Start-VM -VM $vm -Confirm:$false | Out-Null
}
Write-Output "$VMName is ready"
