import DaemonSupport

/// The exit codes of all programs; renamed here because ArgumentParser has an `ExitCode` too.
typealias ExitStatus = DaemonSupport.ExitCode
