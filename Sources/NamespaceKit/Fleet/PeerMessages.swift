import NetworkTypes

/// Counts what the kernels of other hosts were told because of a launch, and apart from it what staging blocks took.
///
/// The kernels' own announcements are read, not the writers' counters. The first route or nexthop of a block in a
/// namespace stages the block there, its removal ends that; everything else that names the identifier or its block
/// between the attach call and the first reply counts for the launch.
public struct PeerMessages: Sendable {
    /// Change messages per staged launch, nil without staged launches that got a reply.
    public let perStagedLaunch: Double?
    /// Launches that were looked at: those that got a reply, in a block whose route peers had learned.
    public let counted: Int
    /// Some of the messages behind it, for the eye.
    public let examples: [String]
    /// Change messages that staging blocks took.
    public let staging: Int
    /// Blocks staged, once for every host that learned one.
    public let stagedBlocks: Int

    /// - Parameters:
    ///   - events: of the overlays' namespaces, from before the first launch that counts.
    ///   - counts: whether a launch is one of those to look at.
    public init(
        launches: [LaunchRecord], events: [KernelEvent], hosts: [ClusterHost],
        counting counts: (LaunchRecord) -> Bool = { $0.servedFrom == "staged" }
    ) {
        let changes = Changes(events.filter(\.isTableChange))
        staging = changes.staging.count
        stagedBlocks = changes.staging.count { $0.type == Self.newNexthop }
        var messages = 0
        var counted = 0
        var examples: [String] = []
        for launch in launches where counts(launch) {
            guard let replied = launch.replied, let block = changes.block(around: launch.sni) else { continue }
            counted += 1
            let own = hosts[launch.host].overlayNamespace
            let patterns = Patterns(launch.sni, in: block)
            var index = changes.others.partitioningIndex { $0.at >= launch.started }
            while index < changes.others.count, changes.others[index].at <= replied {
                let event = changes.others[index]
                index += 1
                guard event.namespace != own, patterns.match(event) else { continue }
                messages += 1
                if examples.count < 5 {
                    examples.append("SNI \(launch.sni): message \(event.type) in \(event.namespace)")
                }
            }
        }
        self.counted = counted
        perStagedLaunch = counted == 0 ? nil : Double(messages) / Double(counted)
        self.examples = examples
    }

    // linux/rtnetlink.h
    private static let familyIPv4: UInt8 = 2
    private static let newRoute: UInt16 = 24
    private static let deleteRoute: UInt16 = 25
    private static let newNexthop: UInt16 = 104
    private static let deleteNexthop: UInt16 = 105
    /// Neighbor entries that the kernel makes by itself carry no writer.
    private static let neighborTypes: ClosedRange<UInt16> = 28...29

    /// Staging of blocks, and everything else.
    private struct Changes {
        private struct Place: Hashable {
            var namespace: String
            var isNexthop: Bool
            var key: ArraySlice<UInt8>
        }
        private(set) var staging: [KernelEvent] = []
        private(set) var others: [KernelEvent] = []
        /// Orders of the blocks that were routed anywhere, by their first identifier.
        private var orders: [UInt32: Set<Int>] = [:]

        init(_ events: [KernelEvent]) {
            var present: Set<Place> = []
            for event in events {
                guard !(event.writer == 0 && neighborTypes.contains(event.type)) else { continue }
                guard let key = blockKey(event) else {
                    others.append(event)
                    continue
                }
                if let block = routedBlock(event) { orders[block.first.rawValue, default: []].insert(block.order) }
                let isNexthop = event.type == newNexthop || event.type == deleteNexthop
                let place = Place(namespace: event.namespace, isNexthop: isNexthop, key: key)
                let adds = event.type == newRoute || event.type == newNexthop
                let isStaging = adds ? present.insert(place).inserted : present.remove(place) != nil
                if isStaging { staging.append(event) } else { others.append(event) }
            }
        }

        /// The smallest block that was routed anywhere and holds the identifier.
        func block(around sni: SessionNetworkID) -> SNIBlock? {
            for order in 0...8 {
                let first = sni.rawValue & ~(1 << UInt32(order) - 1)
                guard orders[first]?.contains(order) == true else { continue }
                return SNIBlock(first: SessionNetworkID(unchecked: first), size: 1 << order)
            }
            return nil
        }
    }

    /// The block of an IPv4 route on a nexthop.
    private static func routedBlock(_ event: KernelEvent) -> SNIBlock? {
        guard event.type == newRoute, event.body.count > 1, event.body[0] == familyIPv4,
            let bytes = event.attribute(1, after: 12), bytes.count == 4, event.body[1] >= 24
        else { return nil }
        let host = bytes.dropFirst().reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        return SNIBlock(first: SessionNetworkID(unchecked: host), size: 1 << (32 - Int(event.body[1])))
    }

    /// What identifies the block that a route on a nexthop, or a nexthop, is about.
    private static func blockKey(_ event: KernelEvent) -> ArraySlice<UInt8>? {
        switch event.type {
        // struct rtmsg (12 bytes, family and length first), then attributes; RTA_NH_ID is 30, RTA_DST 1.
        case newRoute, deleteRoute:
            guard event.attribute(30, after: 12) != nil, let destination = event.attribute(1, after: 12) else {
                return nil
            }
            return event.body[..<2] + destination
        // struct nhmsg (8 bytes); NHA_ID is 1.
        case newNexthop, deleteNexthop: return event.attribute(1, after: 8)
        default: return nil
        }
    }

    /// Bytes by which a message is known to be about an identifier or its block.
    private struct Patterns {
        var routes: [[UInt8]]
        var filters: [[UInt8]]

        init(_ sni: SessionNetworkID, in block: SNIBlock) {
            let plan = OverlayPlan.standard
            let own = [plan.ipv4(of: sni).bytes, plan.ipv6(of: sni).bytes]
            // A /72 of the first identifier: nine bytes.
            let network = Array(plan.ipv6Prefix(of: block).bytes.prefix(9))
            routes = own + [plan.ipv4(of: block.first).bytes, network]
            // The filter's pairs name the ends of whole ranges; only inside a block is an address nobody else's.
            filters = sni == block.first || sni == block.last ? [] : own
        }

        func match(_ event: KernelEvent) -> Bool {
            (event.isFilterChange ? filters : routes).contains(where: event.mentions)
        }
    }
}

extension Array {
    /// Index of the first element for which the predicate holds, when it holds for all that follow.
    func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
