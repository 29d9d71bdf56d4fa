import CNetlinkShim
import Dataplane
public import NetworkTypes

/// Who sends how much to whom: a table of its own, behind the filter.
///
/// Its chain comes after the filter's at the same hook, so it sees what was let through and nothing else, and it can't
/// drop: a full set leaves a packet uncounted, which the last rule counts. A packet is counted where it is sent, never
/// where it arrives through the tunnel. One element per pair of identifiers and family: an IPv6 address counts as its
/// identifier's /72, or a VM could fill the set alone.
extension NFTStructure {
    static let flowTableName = "outrider_flows"
    static let overflowRule = "flow overflow"
    static let flowTimeout = Duration.seconds(300)

    static func flows(device: String, sizeMax: UInt32) -> NFTTable {
        let key: UInt32 = 8
        let mask = [UInt8](repeating: 0xFF, count: 9) + [UInt8](repeating: 0, count: 7)
        let dynamic = NFTDynamic(sizeMax: sizeMax, timeout: flowTimeout)
        let isPort: [NFTStep] = [.load(.inputName, into: key), .compare(key, .notEqual, name(device))]
        func isFamily(_ number: UInt8) -> [NFTStep] {
            [.load(.networkFamily, into: key), .compare(key, .equal, [number])]
        }
        return NFTTable(
            family: .inet, name: flowTableName,
            sets: [
                NFTSet(name: "flows4", fields: [.ipv4, .ipv4], dynamic: dynamic),
                NFTSet(name: "flows6", fields: [.ipv6, .ipv6], dynamic: dynamic),
            ],
            chains: [
                NFTChain(
                    name: "forward", hook: 2, priority: 10, policyDrops: false,
                    rules: [
                        NFTRule(
                            name: "flow4",
                            steps: isPort + isFamily(2) + [
                                .network(offset: 12, length: 4, into: key),
                                .network(offset: 16, length: 4, into: key + 1), .update(key, in: "flows4"), .accept,
                            ]),
                        NFTRule(
                            name: "flow6",
                            steps: isPort + isFamily(10) + [
                                .network(offset: 8, length: 16, into: key),
                                .network(offset: 24, length: 16, into: key + 4), .mask(key, mask),
                                .mask(key + 4, mask), .update(key, in: "flows6"), .accept,
                            ]),
                        NFTRule(name: overflowRule, steps: isPort + [.count]),
                    ])
            ])
    }
}

/// Absolute counters of one pair.
public struct FlowCounters: Hashable, Sendable {
    public var source: SessionNetworkID
    public var destination: SessionNetworkID
    public var isIPv6: Bool
    public var packets, bytes: UInt64
}

/// Reads the flow table of an overlay, keeping its memory from reading to reading. Used by one task or queue at a time.
public final class FlowReader {
    private let tables: NFTables
    private let plan: OverlayPlan
    private var rows = RowBuffer(blank: outrider_flow())
    private let requests: [[UInt8]]
    /// Rows of the last reading.
    public private(set) var flows: [FlowCounters] = []

    /// - Parameter device: name of the VXLAN device.
    public convenience init(
        device: String, plan: OverlayPlan, in sockets: NamespaceSockets
    ) throws(NetlinkError) {
        try self.init(.flows(device: device), plan: plan, in: sockets)
    }

    convenience init(_ role: NFTables.Role, plan: OverlayPlan, in sockets: NamespaceSockets) throws(NetlinkError) {
        try self.init(NFTables(role, in: sockets), plan: plan)
    }

    /// For a scripted kernel.
    init(_ tables: NFTables, plan: OverlayPlan) throws(NetlinkError) {
        self.tables = tables
        self.plan = plan
        var requests: [[UInt8]] = []
        for set in ["flows4", "flows6"] { requests.append(try NFTables.elementRequest(set)) }
        self.requests = requests
    }

    /// Makes the table what it should be; writes nothing when it is.
    ///
    /// - Returns: whether it was made anew: its counters then begin at 0.
    @discardableResult
    public func ensure() throws(NetlinkError) -> Bool { try !tables.ensureStructure { [] }.isEmpty }

    /// Reads all pairs of both families into ``flows``; pairs of addresses that are none of the overlay's are left out.
    public func read() throws(NetlinkError) {
        flows.removeAll(keepingCapacity: true)
        for (request, isIPv6) in zip(requests, [false, true]) {
            try unsafe tables.socket.dump(request, into: &rows, operation: "read flows", outrider_dump_flows)
            for row in rows.valid { if let flow = flow(row, isIPv6: isIPv6) { flows.append(flow) } }
        }
    }

    /// Packets so far that found a set full.
    public func overflow() throws(NetlinkError) -> UInt64? {
        try tables.rows(OUTRIDER_NFT_RULES).first {
            $0.comment == NFTStructure.overflowRule && $0.tableKey.name == NFTStructure.flowTableName
        }?.packets
    }

    /// Takes the table away, for uninstallation and tests.
    public func remove() throws(NetlinkError) { try tables.removeStructure() }

    private func flow(_ row: outrider_flow, isIPv6: Bool) -> FlowCounters? {
        var row = row
        return unsafe withUnsafeBytes(of: &row.key) { key -> FlowCounters? in
            let half = isIPv6 ? 16 : 4
            guard row.key_length == 2 * half, let source = unsafe identifier(key, at: 0, isIPv6),
                let destination = unsafe identifier(key, at: half, isIPv6)
            else { return nil }
            return FlowCounters(
                source: source, destination: destination, isIPv6: isIPv6, packets: row.packets, bytes: row.bytes)
        }
    }

    private func identifier(_ key: UnsafeRawBufferPointer, at offset: Int, _ isIPv6: Bool) -> SessionNetworkID? {
        guard isIPv6 else {
            let raw = UInt32(bigEndian: unsafe key.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            return plan.identifier(of: IPv4Address(raw))
        }
        let high = UInt64(bigEndian: unsafe key.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        let low = UInt64(bigEndian: unsafe key.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
        return plan.identifier(of: IPv6Address(high: high, low: low))
    }
}

extension NFTables {
    static func elementRequest(_ set: String) throws(NetlinkError) -> [UInt8] {
        var request = [UInt8](repeating: 0, count: Int(OUTRIDER_NFT_MESSAGE_MAX))
        let length = unsafe request.withUnsafeMutableBytes {
            unsafe outrider_nft_dump_request(
                $0.baseAddress, $0.count, OUTRIDER_NFT_ELEMENTS, NFTFamily.inet.rawValue, NFTStructure.flowTableName,
                set)
        }
        request.removeLast(request.count - Int(try checked(length, "build nf_tables dump")))
        return request
    }
}
