import CNetlinkShim
import Dataplane
public import NetworkTypes

extension RouteSocket {
    /// How a packet between two addresses leaves this host: the device, and the bytes that it may have where a route says
    /// so or the underlay taught it. Nil when there is no route.
    func path(
        from source: IPAddress, to destination: IPAddress
    ) throws(NetlinkError) -> (index: Int, mtu: Int?)? {
        let family = destination.hostPrefix.family
        let message = try unsafe RouteMessage("find path", "from \(source) to \(destination)") {
            unsafe outrider_nl_path_get($0, $1, family, source.bytes, destination.bytes)
        }
        let answer: NetlinkAnswer
        do throws(NetlinkError) {
            answer = try socket.request(message.bytes, operation: message.operation, object: message.object)
        } catch {
            // ENETUNREACH and EHOSTUNREACH are answers too.
            guard [101, 113].contains(error.code) || error.isNotFound else { throw error }
            return nil
        }
        var index: Int32 = 0
        var mtu: UInt32 = 0
        let code = unsafe answer.bytes.withUnsafeBytes {
            unsafe outrider_nl_path_parse($0.baseAddress, $0.count, &index, &mtu)
        }
        _ = try checked(code, message.operation, message.object)
        return (Int(index), mtu > 0 ? Int(mtu) : nil)
    }
}

extension KernelDataplane {
    /// What was found out about the underlay's paths to tunnel endpoints.
    public struct Paths: Hashable, Sendable {
        /// One line per endpoint that cannot be reached or whose path is narrower than what the overlay's MTU needs.
        public var problems: [String] = []
        /// The longest packet of a VM that every path carries, bytes; the overlay's MTU unless a path is too narrow.
        public var mtu: Int
    }

    /// Looks at the paths to tunnel endpoints: what routes and devices say, and what the underlay has taught this host; echoes
    /// find the rest. One line for all when this host has lost its own endpoint.
    public func paths(to endpoints: [IPAddress]) throws(NetlinkError) -> Paths {
        var paths = Paths(mtu: configuration.mtu)
        guard !endpoints.isEmpty else { return paths }
        let host = try RouteSocket(in: namespace.host)
        let own = configuration.vtep
        guard try host.addresses().contains(where: { $0.prefix.address == own }) else {
            paths.problems = [
                "no interface of this host has its tunnel endpoint \(own): nothing can be sent; add the address, or "
                    + "change 'vtep' and restart the agent"
            ]
            return paths
        }
        let widths = Dictionary(try host.links().map { ($0.index, $0.mtu) }, uniquingKeysWith: { first, _ in first })
        for endpoint in endpoints.sorted() {
            let needed = configuration.mtu + endpoint.tunnelOverhead
            guard let path = try host.path(from: configuration.vtep, to: endpoint),
                let mtu = path.mtu ?? widths[path.index]
            else {
                paths.problems.append("no route from \(configuration.vtep) to the tunnel endpoint \(endpoint)")
                continue
            }
            if mtu < needed {
                paths.mtu = min(paths.mtu, mtu - endpoint.tunnelOverhead)
                paths.problems.append(
                    "the path to the tunnel endpoint \(endpoint) carries \(mtu) bytes, the overlay's MTU of "
                        + "\(configuration.mtu) needs \(needed); raise the path's MTU or lower overlay-mtu")
            }
        }
        return paths
    }

    /// Lets the tunnel's device take IPv6 packets of at most so many bytes; what is longer is answered with "packet too big"
    /// (RFC 8201). The kernel forwards IPv6 by this size alone and, unlike IPv4, by nothing that it learned of a path.
    ///
    /// - Parameter mtu: at least 1280 is set, less is not IPv6.
    public func limitIPv6(to mtu: Int) throws(NetlinkError) {
        let key = "net/ipv6/conf/\(configuration.device)/mtu"
        let value = String(max(1280, min(mtu, configuration.mtu)))
        guard try namespace.overlay.sysctl(key) != value else { return }
        try namespace.overlay.setSysctl(key, to: value)
    }
}
