import AgentCore
public import DaemonSupport
import Journal
import LocalAPI
import Netlink
import NetworkTypes

/// Why the agent could not start or a verb could not be carried out; the text names the thing and the fix.
public enum AgentStartError: Error, Sendable, CustomStringConvertible {
    /// A file that the configuration names cannot be read or has another content than expected.
    case file(path: String, problem: String)
    /// No interface of this host carries the configured VTEP.
    case noSuchEndpoint(String)
    /// Another agent works in the overlay namespace.
    case namespaceInUse(String)
    /// The group that may use the socket does not exist.
    case noSuchGroup(String)
    /// What the kernel lacks, by name.
    case kernelLacks([String])
    /// What is wrong with paths to other hosts.
    case underlay([String])
    /// VMs are attached.
    case portsLeft([String])
    /// The host is to observe only, and has an overlay.
    case servedBefore(String)

    public var description: String {
        switch self {
        case .file(let path, let problem): "\(path): \(problem)"
        case .noSuchEndpoint(let vtep):
            "no interface of this host has the address \(vtep); correct 'vtep' in the configuration or add the address"
        case .namespaceInUse(let path):
            "another agent works in \(path); stop it first, or configure another overlay-namespace"
        case .noSuchGroup(let name):
            "group '\(name)' does not exist; create it (groupadd --system \(name)) or change 'socket-group'"
        case .kernelLacks(let features):
            "this kernel lacks: \(features.joined(separator: "; ")); boot one that has it"
        case .underlay(let problems): problems.joined(separator: "; ")
        case .portsLeft(let ports):
            "VMs are attached: \(ports.joined(separator: ", ")); detach them first, or use --force to cut them off"
        case .servedBefore(let path):
            "mode is 'observe', but the overlay's namespace \(path) is there; remove it with 'outrider-agent teardown', or set mode to 'serve'"
        }
    }
}

/// The one table from start-up errors to exit codes.
public func exitCode(for error: any Error) -> ExitCode {
    switch error {
    case is ConfigurationError: return .configuration
    case let error as AgentStartError:
        switch error {
        case .file, .noSuchEndpoint, .noSuchGroup, .servedBefore: return .configuration
        case .namespaceInUse: return .temporary
        case .portsLeft, .kernelLacks, .underlay: return .failure
        }
    case let error as NetlinkError:
        return error.isPermission ? .permission : error.isExists || error.isBusy ? .cannotCreate : .failure
    case let error as JournalError:
        switch error {
        case .locked: return .temporary
        case .diskFull, .system: return .cannotCreate
        default: return .failure
        }
    case let error as VarlinkServerError:
        switch error {
        case .inUse: return .temporary
        case .system: return .cannotCreate
        }
    default: return .failure
    }
}
