import Foundation
import NamespaceKit
import NetworkTypes

/// What one host's kernel says of a block, by iproute2 and nft.
struct KernelView {
    /// IPv4 and IPv6 routes to exactly the block, on a nexthop object.
    var routes = 0
    /// These routes encapsulate with the block's VNI.
    var encapsulates = false
    /// The VXLAN device takes the block's VNI in.
    var hasVNI = false
    /// The filter lets each of the block's addresses talk to each other.
    var hasPair = false
    /// Identifiers of the block that something may come in for.
    var ingress = 0

    /// A peer's kernel carries the block: a packet to it would leave as it should.
    var carries: Bool { routes == 2 && encapsulates && hasPair }
    /// Nothing leads there, and nothing is let in for it.
    var isEmpty: Bool { routes == 0 && !hasVNI && ingress == 0 }

    init(_ block: SNIBlock, on host: ClusterHost) throws {
        let namespace = host.overlayNamespace
        let plan = OverlayPlan.standard
        var nexthops: [UInt32] = []
        for (family, prefix) in [("-4", "\(plan.ipv4Prefix(of: block))"), ("-6", "\(plan.ipv6Prefix(of: block))")] {
            let text = try Command.run(["ip", "-j", family, "route", "show", "proto", "83"], namespace: namespace)
            let found = try JSONDecoder().decode([Route].self, from: Data((text.isEmpty ? "[]" : text).utf8))
            nexthops += found.filter { $0.dst == prefix }.compactMap(\.nhid)
        }
        routes = nexthops.count
        encapsulates = try nexthops.allSatisfy { id in
            // As text: its JSON calls both the object's and the tunnel's number `id`.
            try Command.run(["ip", "nexthop", "show", "id", "\(id)"], namespace: namespace)
                .contains("encap ip id \(block.vni.rawValue) ")
        }
        let vnis = try Self.array(try Command.run(["bridge", "-j", "vni", "show"], namespace: namespace))
        hasVNI = vnis.flatMap { $0["vnis"] as? [[String: Any]] ?? [] }.contains { entry in
            guard let first = (entry["vni"] as? Int) else { return false }
            let last = entry["vniEnd"] as? Int ?? first
            return first...last ~= Int(block.vni.rawValue)
        }
        try readFilters(of: block, namespace)
    }

    private struct Route: Decodable {
        var dst: String
        /// Nexthop object.
        var nhid: UInt32?
    }

    private mutating func readFilters(of block: SNIBlock, _ namespace: String) throws {
        let plan = OverlayPlan.standard
        let first = plan.ipv4(of: block.first)
        let last = plan.ipv4(of: block.last)
        let pairs = try Self.elements(of: "pair4", table: ["inet", "outrider"], namespace)
        hasPair = pairs.contains { element in
            guard let parts = element["concat"] as? [Any], parts.count == 2 else { return false }
            return parts.allSatisfy { Self.interval($0).map { $0.contains(first) && $0.contains(last) } ?? false }
        }
        let admitted = try Self.elements(of: "ingress4", table: ["netdev", "outrider"], namespace)
        ingress = admitted.count { element in
            guard let parts = element["concat"] as? [Any], let text = parts.last as? String,
                let address = IPv4Address(text)
            else { return false }
            return (first...last).contains(address)
        }
    }

    private static func array(_ text: String) throws -> [[String: Any]] {
        let data = Data((text.isEmpty ? "[]" : text).utf8)
        return try JSONSerialization.jsonObject(with: data) as? [[String: Any]] ?? []
    }

    /// Elements of a set as `nft -j` prints them.
    private static func elements(of set: String, table: [String], _ namespace: String) throws -> [[String: Any]] {
        let text = try Command.run(["nft", "-j", "list", "set"] + table + [set], namespace: namespace)
        let whole = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let objects = whole?["nftables"] as? [[String: Any]] ?? []
        return objects.compactMap { $0["set"] as? [String: Any] }
            .flatMap { $0["elem"] as? [[String: Any]] ?? [] }
    }

    /// An address, a prefix or a range.
    private static func interval(_ value: Any) -> ClosedRange<IPv4Address>? {
        if let text = value as? String { return IPv4Address(text).map { $0...$0 } }
        guard let object = value as? [String: Any] else { return nil }
        if let ends = object["range"] as? [String], ends.count == 2, let low = IPv4Address(ends[0]),
            let high = IPv4Address(ends[1])
        {
            return low...high
        }
        guard let prefix = object["prefix"] as? [String: Any], let text = prefix["addr"] as? String,
            let length = prefix["len"] as? Int, let address = IPv4Address(text), 0...32 ~= length
        else { return nil }
        let host: UInt32 = length == 0 ? .max : (1 << UInt32(32 - length)) - 1
        return address...IPv4Address(address.rawValue | host)
    }
}
