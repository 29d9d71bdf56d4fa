import CNetlinkShim
import Dataplane

/// Why packets were dropped; the raw value is the word behind `drop` in the names of the rules.
public enum DropReason: String, Hashable, Sendable, CaseIterable {
    case source, unconfigured, options, multicast, arp, nd, flood, input, pair
    case ingress
    case vni, underlay
    /// Counted by the devices themselves and by a socket (``FrameCounter``), not by a rule.
    case unknownProtocol = "protocol"

    /// Where the packet was dropped.
    public enum Place: String, Hashable, Sendable {
        /// On a port of the overlay, coming from a VM.
        case port
        /// On a port or behind the tunnel's device.
        case overlay
        /// On the tunnel's device, coming from another host.
        case tunnel
        /// In the host's own namespace, before the tunnel.
        case underlay
    }

    public var place: Place {
        switch self {
        case .source, .unconfigured, .options, .multicast, .arp, .nd, .flood, .input: .port
        case .pair, .unknownProtocol: .overlay
        case .ingress: .tunnel
        case .vni, .underlay: .underlay
        }
    }

    /// In a few words, for people.
    public var explanation: String {
        switch self {
        case .source: "from an address that is not the port's"
        case .unconfigured: "from 0.0.0.0, and no DHCP request that this host answers"
        case .options: "IPv4 with options, such as source routes"
        case .multicast: "to a group, a reserved address or broadcast"
        case .arp: "ARP with a sender that is not the port's address"
        case .nd: "neighbor or router discovery beyond asking for the gateway by the port's address"
        case .flood: "requests for an address, faster than a VM has any reason to ask"
        case .input: "to the host itself"
        case .pair: "between applications that may not talk"
        case .ingress: "from another host: the tunnel id does not go with the destination, or nothing is bound there"
        case .vni: "from another host: a tunnel id that no block of this host has"
        case .underlay: "to the tunnel's UDP port from a machine that is no known endpoint"
        case .unknownProtocol: "neither IPv4, IPv6 nor ARP (802.2 frames: since the agent started), or tagged"
        }
    }
}

/// How often a reason applied, since the table or port that counts it was made.
public struct DropCount: Hashable, Sendable {
    public var reason: DropReason
    public var packets: UInt64
    /// Nil where only packets are counted.
    public var bytes: UInt64?
}

extension KernelDataplane {
    /// What was dropped, every reason in its declared order, those that never applied with 0.
    ///
    /// Read from the kernel: nothing is written, and counters are never reset.
    public func drops() throws(NetlinkError) -> [DropCount] {
        let counters = try overlayTables.dropCounters().merging(underlayTables.dropCounters()) { first, _ in first }
        var result: [DropCount] = []
        for reason in DropReason.allCases {
            if reason == .unknownProtocol {
                result.append(DropCount(reason: reason, packets: try portDrops() &+ frames.count(), bytes: nil))
            } else if let counter = counters[reason.rawValue] {
                result.append(DropCount(reason: reason, packets: counter.packets, bytes: counter.bytes))
            }
        }
        return result
    }

    /// Frames that no protocol of the kernel takes count as drops of the port or tunnel device they came in on.
    private func portDrops() throws(NetlinkError) -> UInt64 {
        let devices = Set(
            try route.links().filter {
                $0.name == configuration.device || RouteSocket.identifier(ofPort: $0.name) != nil
            }.map(\.index))
        return try route.unwantedFrames().filter { devices.contains($0.key) }.reduce(0) { $0 + $1.value }
    }
}

extension RouteSocket {
    /// Frames that each device took in and nobody wanted, by index of the device.
    func unwantedFrames() throws(NetlinkError) -> [Int: UInt64] {
        let message = try unsafe RouteMessage("read drops", "") { unsafe outrider_nl_stats_get($0, $1, 0) }
        var result: [Int: UInt64] = [:]
        for answer in try socket.dump(message.bytes, operation: message.operation) where answer.type == 92 {
            var index: Int32 = 0
            var packets: UInt64 = 0
            let code = unsafe answer.bytes.withUnsafeBytes {
                unsafe outrider_nl_drops_parse($0.baseAddress, $0.count, &index, &packets)
            }
            _ = try checked(code, "read drops")
            result[Int(index)] = packets
        }
        return result
    }
}
