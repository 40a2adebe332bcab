# Runs one script for a `powershell` step, in PowerShell 5.1 and later.
#
# The request comes as JSON in $env:STOKER_POWERSHELL: {file | script, named, positional}.
# Nothing of it is ever part of a script text of ours. Strings carry a leading '=', so that
# ConvertFrom-Json does not take them for dates. Error records go, one JSON object a line, to
# the file named by $env:STOKER_POWERSHELL_ERRORS, and as text to standard error.

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
# Newer versions could turn a native command's exit code into a terminating error; here the
# code itself counts, in every version alike.
$PSNativeCommandUseErrorActionPreference = $false
$OutputEncoding = New-Object System.Text.UTF8Encoding $false
try { [Console]::OutputEncoding = $OutputEncoding } catch { }  # Windows, without a console
if ($PSStyle) { $PSStyle.OutputRendering = 'PlainText' }  # a log is no terminal

function ConvertFrom-StokerValue($Value) {
    if ($Value -is [string]) { return $Value.Substring(1) }
    if ($Value -is [array]) {
        $items = @(foreach ($item in $Value) { , (ConvertFrom-StokerValue $item) })
        return , $items
    }
    if ($Value -is [System.Management.Automation.PSCustomObject]) {
        $map = @{}
        foreach ($property in $Value.PSObject.Properties) {
            $map[$property.Name] = ConvertFrom-StokerValue $property.Value
        }
        return $map
    }
    return $Value
}

function Write-StokerError($Record) {
    $invocation = $Record.InvocationInfo
    $fields = [ordered]@{
        message  = [string]$Record
        id       = [string]$Record.FullyQualifiedErrorId
        category = [string]$Record.CategoryInfo.Category
        script   = if ($invocation) { [string]$invocation.ScriptName } else { '' }
        line     = if ($invocation) { $invocation.ScriptLineNumber } else { 0 }
    }
    [IO.File]::AppendAllText($stokerErrors, ($fields | ConvertTo-Json -Compress) + "`n")
    [Console]::Error.WriteLine(($Record | Out-String).TrimEnd())
}

$stokerErrors = $env:STOKER_POWERSHELL_ERRORS
$stokerRequest = $env:STOKER_POWERSHELL | ConvertFrom-Json
Remove-Item Env:STOKER_POWERSHELL
Remove-Item Env:STOKER_POWERSHELL_ERRORS

$named = ConvertFrom-StokerValue $stokerRequest.named
$positional = ConvertFrom-StokerValue $stokerRequest.positional
$global:LASTEXITCODE = 0
try {
    $target = if ($null -ne $stokerRequest.file) {
        (Resolve-Path -LiteralPath (ConvertFrom-StokerValue $stokerRequest.file)).ProviderPath
    } else {
        [ScriptBlock]::Create((ConvertFrom-StokerValue $stokerRequest.script))
    }
    if ($PSVersionTable.PSVersion -ge [version]'7.2') {
        & $target @named @positional 2>&1 | ForEach-Object {
            if ($_ -isnot [System.Management.Automation.ErrorRecord]) {
                $_
            } elseif ($_.FullyQualifiedErrorId -like 'NativeCommandError*') {
                # What a native command wrote to its standard error is text, not an error.
                [Console]::Error.WriteLine([string]$_)
            } else {
                Write-StokerError $_
            }
        }
    } else {
        # Redirecting would make each line on a native command's standard error terminate.
        $Error.Clear()
        & $target @named @positional
        for ($i = $Error.Count - 1; $i -ge 0; $i--) { Write-StokerError $Error[$i] }
    }
} catch {
    Write-StokerError $_
    if ($LASTEXITCODE) { exit $LASTEXITCODE }
    exit 1
}
exit $LASTEXITCODE
