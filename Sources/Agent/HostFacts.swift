import CSystemShim
import DaemonSupport
import Dataplane
import FoundationEssentials
import Netlink
import NetworkTypes

/// What the machine says of itself.
struct HostFacts {
    var boot: BootID
    var fingerprint: String
    /// Bytes.
    var underlayMTU: Int
    /// The endpoint that the kernel sends from, while that is not the configured one: the device knows it, also after a
    /// restart of the agent in the middle of a change. Nil, too, when this host has that address no more: then nothing
    /// can be sent from it.
    var former: IPAddress?
    /// What is sent from until the coordinator says otherwise.
    func endpoint(_ settings: AgentSettings) -> IPAddress { former ?? settings.vtep }

    /// - Parameter overlay: nil when there is none yet.
    static func read(
        _ settings: AgentSettings, host: NamespaceSockets, overlay: NamespaceSockets?
    ) throws -> HostFacts {
        let text = try content(of: settings.bootIDFile)
        guard let boot = BootID(text) else {
            throw AgentStartError.file(path: settings.bootIDFile, problem: "'\(text)' is not a UUID (boot-id-file)")
        }
        let fingerprint = try content(of: settings.fingerprintFile)
        guard !fingerprint.isEmpty else {
            throw AgentStartError.file(path: settings.fingerprintFile, problem: "it is empty (fingerprint-file)")
        }
        return HostFacts(
            boot: boot, fingerprint: fingerprint, underlayMTU: try underlayMTU(settings, host: host),
            former: try overlay.flatMap { try former(settings, host: host, overlay: $0) })
    }

    private static func former(
        _ settings: AgentSettings, host: NamespaceSockets, overlay: NamespaceSockets
    ) throws -> IPAddress? {
        let device = try RouteSocket(in: overlay).link(named: DataplaneConfiguration.standardDevice)
        guard let local = device?.vxlan?.local, local != settings.vtep, local.isIPv6 == settings.vtep.isIPv6 else {
            return nil
        }
        let isHere = try RouteSocket(in: host).addresses().contains { $0.prefix.address == local }
        return isHere ? local : nil
    }

    /// The configured MTU, or that of the interface which carries the VTEP. Whatever leads to an endpoint on the loopback
    /// device, no path is wider than the narrowest interface.
    private static func underlayMTU(_ settings: AgentSettings, host: NamespaceSockets) throws -> Int {
        let route = try RouteSocket(in: host)
        let carrier = try route.addresses().first { $0.prefix.address == settings.vtep }
        let links = try route.links()
        guard let carrier, let link = links.first(where: { $0.index == carrier.index }) else {
            throw AgentStartError.noSuchEndpoint(settings.vtep.description)
        }
        guard link.isLoopback else { return settings.underlayMTU ?? link.mtu }
        let narrowest = links.filter { $0.isUp && $0.isLowerUp && !$0.isLoopback }.map(\.mtu).min()
        return settings.underlayMTU ?? narrowest ?? link.mtu
    }

    private static func content(of path: String) throws -> String {
        do {
            let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
            return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        } catch {
            throw AgentStartError.file(path: path, problem: "cannot be read: \(error)")
        }
    }
}

/// One agent at a time per overlay namespace. The lock lives on the namespace itself and ends with the process.
struct NamespaceLock {
    private let namespace: NamespaceDescriptor

    init(_ namespace: NamespaceDescriptor) throws(AgentStartError) {
        guard outrider_lock_exclusive(namespace.fd) == 0 else { throw .namespaceInUse(namespace.path) }
        self.namespace = namespace
    }
}
