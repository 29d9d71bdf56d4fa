import CSystemShim
public import DaemonSupport
import FoundationEssentials
import Glibc
import LocalAPI
import Netlink
import NetworkTypes

/// Verbs besides `run`: the overlay's namespace comes and goes only by these.
public enum AgentVerbs {
    /// Makes the overlay's namespace.
    ///
    /// - Returns: false when it was there already, and its sysctls are then set again; nil on a host that only observes.
    public static func createNamespace(_ settings: AgentSettings) throws -> Bool? {
        guard settings.mode == .serve else { return nil }
        do throws(NetlinkError) {
            try OverlayNamespace.create(path: settings.overlayNamespace)
            return true
        } catch {
            guard error.isExists else { throw error }
            try OverlayNamespace(path: settings.overlayNamespace, host: NamespaceSockets(path: nil)).configure()
            return false
        }
    }

    /// What is wanted of the kernel, what it has and the difference, as JSON. Changes nothing.
    public static func export(_ settings: AgentSettings) throws -> String {
        try KernelView.read(settings).json.description
    }

    /// What a start of the agent would write to the kernel now, one line each, or why nothing.
    public static func dryRun(_ settings: AgentSettings) throws -> [String] {
        let view = try KernelView.read(settings)
        if let reason = view.reason { return [reason] }
        return view.planLines.isEmpty ? ["nothing to do: the kernel has what is wanted"] : view.planLines
    }

    /// Takes away everything that the agent put into the kernel, and with `purge` its journal.
    ///
    /// Refused while an agent works in the namespace, and while VMs are attached unless `force`. Safe to repeat.
    /// - Returns: what was removed, for people.
    public static func teardown(_ settings: AgentSettings, force: Bool, purge: Bool) throws -> [String] {
        var removed: [String] = []
        let host = try NamespaceSockets(path: nil)
        if let namespace = try existing(settings.overlayNamespace, host: host) {
            removed += try remove(namespace, path: settings.overlayNamespace, force: force)
        }
        // It is found by its name, also when the device or the whole namespace has gone before.
        let guardian = try NFTables(.underlay(vxlanPort: 4789), in: host)
        try guardian.removeStructure()
        if guardian.writes > 0 { removed.append("filter table of the host") }
        if purge {
            for name in [
                "journal", "journal.lock", "journal.new", "telemetry", "telemetry.lock", "telemetry.new",
            ] {
                let file = "\(settings.stateDirectory)/\(name)"
                guard FileManager.default.fileExists(atPath: file) else { continue }
                try FileManager.default.removeItem(atPath: file)
                removed.append(file)
            }
        }
        return removed
    }

    private static func existing(_ path: String, host: NamespaceSockets) throws -> OverlayNamespace? {
        do throws(NetlinkError) {
            return try OverlayNamespace(path: path, host: host)
        } catch {
            guard error.isNotFound else { throw error }
            return nil
        }
    }

    private static func remove(_ namespace: OverlayNamespace, path: String, force: Bool) throws -> [String] {
        let lock = try NamespaceLock(namespace.overlay.namespace)
        return try withExtendedLifetime(lock) {
            let route = try RouteSocket(in: namespace.overlay)
            let ports = try route.ports()
            guard ports.isEmpty || force else {
                throw AgentStartError.portsLeft(
                    ports.map { _, link in "\(link.name) (\(PortMark(link.alias)?.interface.description ?? "?"))" })
            }
            var removed: [String] = []
            for (_, link) in ports where try route.deletePort(named: link.name) { removed.append("port \(link.name)") }
            let devices = try route.links().filter { $0.vxlan?.isFiltered == true }
            for device in devices {
                if try route.deleteLink(named: device.name) { removed.append("device \(device.name)") }
            }
            try OverlayNamespace.delete(path: path)
            return removed + ["namespace \(path)"]
        }
    }
}
