import NetworkTypes

/// Where an application's blocks should be, from what is expected of its hosts.
///
/// Idle identifiers lie where a launch is likeliest. A block stays on its host while that expects half of what a block is
/// worth, and longer while nobody needs it elsewhere: taking it back costs a handshake, and the next launch there finds
/// it. It is taken back for the application's reserve when that is short, or for a host that expects three times as much;
/// and goes back to the pool when all that is idle like this has idled for as long as asking for it again is worth.
struct StagingPlan {
    private(set) var leases: [LeaseWish] = []
    private(set) var releases: [ScheduledRelease] = []
    private(set) var reserve = 0
    let marks: StagingMarks

    /// A host that is left behind expects so many times less.
    private static let advantage = 3.0
    /// An empty block rests so long before it moves.
    private static let rest = Duration.seconds(60)
    /// So many hours of one idle identifier are worth one request to the Network Manager.
    private static let requestWorth = 6.0
    /// What is not known yet is not given back.
    private static let learning = Duration.seconds(3600)

    private struct Unmet {
        var host: HostID
        var order: Int
        /// Launches per hour; beyond all of them where one of the next launches goes.
        var value: Double
        var isNext: Bool
    }
    private struct Spare {
        var block: OwnedBlock
        var host: HostID
        var value: Double
    }

    private let input: AllocationInput
    private let outlook: PlacementOutlook
    private let settings: AllocationSettings
    private var unmet: [Unmet] = []
    private var spare: [Spare] = []
    /// What leases of this plan leave.
    private var reserved: Int
    private let reservedBefore: Int
    /// On hosts.
    private let free: Int
    private let budget: Int

    init(_ input: AllocationInput, outlook: PlacementOutlook, settings: AllocationSettings, at now: Instant) {
        (self.input, self.outlook, self.settings) = (input, outlook, settings)
        free = input.blocks.reduce(0) { $1.host == nil ? $0 : $0 + $1.block.size - $1.inUse - $1.cooling }
        marks = StagingMarks(
            rate: outlook.rate, worth: outlook.worth, least: input.policy.floor - free + input.pendingElsewhere)
        reservedBefore = input.blocks.reduce(0) { $1.host == nil ? $0 + $1.block.size : $0 }
        reserved = reservedBefore
        let owned = input.blocks.reduce(0) { $0 + $1.block.size } + input.returning
        budget = input.policy.cap.map { max(0, $0 - owned) } ?? .max
        compare(at: now)
    }

    // MARK: What is where

    private mutating func compare(at now: Instant) {
        var blocks: [HostID: [OwnedBlock]] = [:]
        for block in input.blocks { if let host = block.host { blocks[host, default: []].append(block) } }
        for demand in input.hosts where demand.acceptsLeases {
            let seat = outlook.seats[demand.host] ?? PlacementOutlook.Seat()
            let held = blocks[demand.host] ?? []
            guard seat.isOpen else { continue }
            var ready = held.reduce(-demand.pending) { $0 + $1.block.size - $1.inUse - $1.cooling }
            let isActive = demand.inUse > 0 || demand.pending > 0
            let low = isActive ? input.policy.lowWatermark ?? 0 : 0
            let wanted = max(wanted(seat), low)
            if ready < wanted {
                // What the operator asked for is no guess: the reserve is there for it.
                let isNext = seat.next > 0 || demand.pending > 0 || ready < low
                unmet.append(
                    Unmet(
                        host: demand.host, order: order(wanted - ready), value: isNext ? .infinity : seat.rate,
                        isNext: isNext))
            }
            for block in held.sorted(by: { $0.block > $1.block })
            where ready - block.block.size >= wanted && isRested(block, at: now) {
                ready -= block.block.size
                // Beside what its host has left, no launch is likely to need it.
                spare.append(Spare(block: block, host: demand.host, value: ready > 0 ? 0 : seat.rate))
            }
        }
        unmet.sort { ($1.value, $0.host) < ($0.value, $1.host) }
        spare.sort { ($0.value, $0.block.block) < ($1.value, $1.block.block) }
    }

    private func wanted(_ seat: PlacementOutlook.Seat) -> Int {
        guard seat.rate > outlook.worth else { return seat.next }
        let lead = min(settings.measuredLead ?? settings.leadTime, settings.leadTime)
        let interval = (settings.decisionInterval + lead).inSeconds / 3600
        return max(seat.next, 1, Int((seat.rate * interval).rounded(.up)))
    }

    private func isRested(_ block: OwnedBlock, at now: Instant) -> Bool {
        block.inUse == 0 && block.cooling == 0 && block.idleSince.map { now - $0 >= Self.rest } ?? true
    }

    private func order(_ identifiers: Int) -> Int {
        if settings.isBlockSizeFixed { return settings.blockSize.trailingZeroBitCount }
        return BlockPolicy.orders.first { 1 << $0 >= identifiers } ?? BlockPolicy.orders.upperBound
    }

    // MARK: What becomes of it

    /// After a launch: nothing is taken from anywhere.
    mutating func follow() {
        _ = lease()
        if reserved + input.returning < marks.low / 2 { ask(marks.high - reserved) }
    }

    /// At a decision.
    mutating func review(_ memory: inout StagingMemory, at now: Instant) {
        var short = lease()
        var coming = input.returning
        // What is taken back is not free on hosts any more, and the floor counts it again in the reserve.
        var onHosts = free
        while reserved + coming < marks.high + short.reduce(0, { $0 + 1 << $1.order }), let worst = spare.first {
            let isShort = reserved + coming < marks.low
            let best = short.first?.value ?? 0
            guard isShort || best > Self.advantage * max(worst.value, outlook.worth / 8) else { break }
            spare.removeFirst()
            release(worst, isRecall: true, isShort ? "its reserve is short" : "another host expects more launches")
            coming += worst.block.block.size
            onHosts -= worst.block.block.size
            if !isShort, !short.isEmpty { short.removeFirst() }
        }
        let missing = short.reduce(0) { $0 + 1 << $1.order }
        let needed = StagingMarks(
            rate: outlook.rate, worth: outlook.worth, least: input.policy.floor - onHosts + input.pendingElsewhere)
        if reserved + coming < needed.low || reserved + coming < missing {
            ask(max(0, needed.high - reserved - coming) + max(0, missing - coming))
        }
        giveBack(&memory, at: now)
    }

    /// From what is reserved, the most valuable first; hosts that only may see a launch leave the low mark.
    private mutating func lease() -> [Unmet] {
        var short: [Unmet] = []
        for wish in unmet {
            if reserved - 1 << wish.order >= (wish.isNext ? 0 : marks.low) {
                leases.append(LeaseWish(host: wish.host, order: wish.order))
                reserved -= 1 << wish.order
            } else {
                short.append(wish)
            }
        }
        return short
    }

    private mutating func ask(_ identifiers: Int) { reserve = min(max(0, identifiers), budget) & ~3 }

    private mutating func giveBack(_ memory: inout StagingMemory, at now: Instant) {
        let idle = spare.filter { $0.value < outlook.worth / 2 }
        let surplus = idle.reduce(0) { $0 + $1.block.block.size } + max(0, reserved - marks.high)
        let hours = memory.reviewed.map { max(0, (now - $0).inSeconds) / 3600 } ?? 0
        let began = memory.began ?? now
        (memory.reviewed, memory.began) = (now, began)
        memory.idled = surplus > 0 ? memory.idled + Double(surplus) * hours : 0
        guard memory.idled > Self.requestWorth, now - began >= Self.learning else { return }
        memory.idled = 0
        // The operator's floor counts what is free anywhere.
        var surplusOfFloor = max(0, free + reservedBefore - input.policy.floor - input.pendingElsewhere)
        for block in idle where block.block.block.size <= surplusOfFloor {
            release(block, isRecall: false, "no launch is expected there, and its reserve is full")
            surplusOfFloor -= block.block.block.size
        }
        unreserve(min(max(0, reserved - marks.high), surplusOfFloor))
    }

    private mutating func release(_ spare: Spare, isRecall: Bool, _ why: String) {
        releases.append(
            ScheduledRelease(
                block: spare.block.block, host: spare.host, after: .zero, reason: "host \(spare.host): \(why)",
                isRecall: isRecall))
    }

    /// The highest first: what is left stays dense.
    private mutating func unreserve(_ identifiers: Int) {
        var left = identifiers & ~3
        let idle = input.blocks.filter { $0.host == nil }.map(\.block).sorted(by: >)
        for block in idle {
            var (end, size) = (block.first.rawValue + UInt32(block.size), block.size)
            while left >= 4, end > block.first.rawValue {
                while size > left { size /= 2 }
                guard size >= 4, let part = SNIBlock(first: SessionNetworkID(unchecked: end - UInt32(size)), size: size)
                else { break }
                releases.append(
                    ScheduledRelease(
                        block: part, host: nil, after: .zero,
                        reason: "the reserve holds \(reserved) and needs \(marks.high)"))
                end -= UInt32(size)
                left -= size
            }
        }
    }
}
