import HeapModule
import NetworkTypes
import SNISpace
import SimulationKit

/// Names that the product's rooms know applications and hosts by.
struct EvaluationNames: Sendable {
    let applications: [ApplicationID]
    let hosts: [HostID]
    let key: ShuffleKey

    init(_ workload: EvaluationWorkload, plan: EvaluationPlan) {
        var naming = SeededGenerator(seed: plan.seed).fork(3)
        applications = workload.applications.map { _ in ApplicationID(.random(using: &naming)) }
        hosts = (0..<plan.hosts).compactMap { HostID("host-\($0)") }
        key = ShuffleKey(high: naming.next(), low: naming.next())
    }
}

/// The product's physics around one policy: the book, blocks on hosts, and what is under way.
struct EvaluationWorld: Sendable {
    enum Step: Hashable, Sendable {
        /// The Network Manager answers request number so much.
        case granted(Int)
        case staged, drained, removed, freed
    }

    struct Timer: Hashable, Comparable, Sendable {
        var at: Instant
        /// Ties in the order of their making.
        var number: Int
        var step: Step
        var application: Int
        var host = 0
        var block: SNIBlock?
        /// Of what it follows: that of an aborted mark counts for nothing.
        var epoch = Epoch(0)
        static func < (lhs: Self, rhs: Self) -> Bool { (lhs.at, lhs.number) < (rhs.at, rhs.number) }
    }

    /// What was asked of the Network Manager, with the leases that wait for it.
    struct Request: Hashable, Sendable {
        var identifiers = 0
        var leases: [(host: Int, order: Int)] = []
        static func == (lhs: Self, rhs: Self) -> Bool {
            lhs.identifiers == rhs.identifiers && lhs.leases.elementsEqual(rhs.leases, by: ==)
        }
        func hash(into hasher: inout Hasher) { hasher.combine(identifiers) }
    }

    let plan: EvaluationPlan
    var book: Book
    var holdings: [ApplicationHoldings]
    var tallies: [EvaluationTally]
    var requests: [Int: Request] = [:]
    var requestCount = 0
    /// When what a launch asked for besides its block arrives.
    var filling: [Int: Instant] = [:]
    /// Under way back to what their application has reserved.
    var recalled: Set<SNIBlock> = []
    /// By VM.
    private(set) var identifiers: [SessionNetworkID?]
    let applications: [ApplicationID]
    let hosts: [HostID]
    var timers = Heap<Timer>()
    private var made = 0
    private var reservations: UInt64 = 0

    init(_ workload: EvaluationWorkload, plan: EvaluationPlan) throws(BookError) {
        self.plan = plan
        let names = EvaluationNames(workload, plan: plan)
        (applications, hosts) = (names.applications, names.hosts)
        let pool = SNIRange(unchecked: 4096, count: min(plan.pool, SessionNetworkID.spaceSize - 4096))
        book = Book(plan: try PoolPlan(chunkOrder: 12, pool: [pool], excluded: [], key: names.key))
        holdings = workload.applications.map { _ in ApplicationHoldings(hosts: plan.hosts) }
        tallies = workload.applications.map { _ in EvaluationTally(since: plan.start) }
        identifiers = Array(repeating: nil, count: workload.vms)
    }

    // MARK: Events

    /// A VM starts: bound at once, or when its block arrives.
    mutating func launch(_ event: EvaluationEvent, _ policy: any EvaluatedPolicy) throws(BookError) -> LaunchClass {
        let (application, host, now) = (event.application, event.host, event.at)
        account(application, at: now)
        var fresh: LaunchClass?
        if serving(application, host, at: now) == nil {
            let order = policy.order(application, host: host, holdings[application], at: now)
            let fill = policy.fill(application, holdings[application], at: now)
            fresh = try obtain(application, host: host, order: order, fill: fill, at: now)
        }
        guard let index = serving(application, host, at: now), let sni = bind(application, host, index, at: now) else {
            tallies[application].count(.refused, at: now)
            return .refused
        }
        precondition(identifiers[event.vm] == nil, "VM \(event.vm) is bound already")
        identifiers[event.vm] = sni
        let block = holdings[application].blocks[host][index]
        let kind: LaunchClass =
            fresh ?? (block.arrives > now ? block.origin : block.held.stagedAt > now ? .leased : .staged)
        tallies[application].count(kind, at: now)
        return kind
    }

    private mutating func bind(_ application: Int, _ host: Int, _ index: Int, at now: Instant) -> SessionNetworkID? {
        guard let sni = holdings[application].blocks[host][index].held.bind(at: now) else { return nil }
        holdings[application].bound += 1
        return sni
    }

    mutating func stop(_ event: EvaluationEvent) {
        let (application, host) = (event.application, event.host)
        guard let sni = identifiers[event.vm] else { return }
        account(application, at: event.at)
        guard let index = holdings[application].blocks[host].firstIndex(where: { $0.block.contains(sni) }) else {
            preconditionFailure("VM \(event.vm) stops, and host \(host) does not hold \(sni)")
        }
        holdings[application].blocks[host][index].held.unbind(sni, cooldown: plan.cooldown, at: event.at)
        holdings[application].bound -= 1
        identifiers[event.vm] = nil
    }

    /// The block of the next launch: staged before arrived before under way, then the fullest, so that others empty.
    private func serving(_ application: Int, _ host: Int, at now: Instant) -> Int? {
        var best: (index: Int, rank: (Int, Int, Int))?
        for (index, block) in holdings[application].blocks[host].enumerated()
        where !block.isMarked && block.ready(at: now) > 0 {
            let standing = block.held.stagedAt <= now ? 2 : block.arrives <= now ? 1 : 0
            let rank = (standing, block.held.bound, block.block.size)
            if let present = best, present.rank >= rank { continue }
            best = (index, rank)
        }
        return best?.index
    }

    /// A block for a launch that waits; nil when one was there and about to go.
    private mutating func obtain(
        _ application: Int, host: Int, order: Int, fill: Int, at now: Instant
    ) throws(BookError) -> LaunchClass? {
        // A launch before the point of no return wins over the mark.
        for index in holdings[application].blocks[host].indices {
            let block = holdings[application].blocks[host][index]
            guard block.isMarked, block.ready(at: now) > 0 else { continue }
            apply(try book.abort(block.block, epoch: block.held.epoch))
            recalled.remove(block.block)
            holdings[application].blocks[host][index].held.standing = .open
            holdings[application].blocks[host][index].held.epoch = book.epoch
            return nil
        }
        let orders = (SNIBlock.orders.lowerBound...max(SNIBlock.orders.lowerBound, order)).reversed()
        for order in orders where book.hasIdle(applications[application], order: order) {
            // What another launch asked for and waits for itself is no reserve yet.
            let waits = filling[application].map { $0 > now } ?? false
            try lease(application, to: host, order: order, origin: .reserved, at: now)
            return waits ? .cold : .reserved
        }
        for order in orders where try reserve(application, count: 1 << order, order: order) > 0 {
            tallies[application].request(at: now)
            try lease(application, to: host, order: order, origin: .cold, at: now)
            if fill >= 4, try reserve(application, count: fill & ~3, order: 2) > 0 {
                filling[application] = now + plan.leaseDelay
            }
            return .cold
        }
        return .refused
    }

    // MARK: Book

    /// - Returns: identifiers granted, none when the pool has none.
    mutating func reserve(_ application: Int, count: Int, order: Int) throws(BookError) -> Int {
        reservations += 1
        let id = ReservationID(UUID128(high: 0, low: reservations))
        do throws(BookError) {
            let events = try book.reserve(
                id: id, application: applications[application], count: count, blockOrder: order, predicted: false,
                lifetime: .seconds(86_400), reason: "evaluation")
            apply(events)
            guard case .reserved(let reservation) = events.last else { return 0 }
            holdings[application].reserved += reservation.block.size
            return reservation.block.size
        } catch {
            guard case .exhausted = error else { throw error }
            return 0
        }
    }

    mutating func lease(
        _ application: Int, to host: Int, order: Int, origin: LaunchClass, at now: Instant
    ) throws(BookError) {
        let events = try book.lease(
            application: applications[application], host: hosts[host], order: order, predicted: true,
            fromReserved: origin == .reserved)
        apply(events)
        for case .leased(let lease) in events {
            holdings[application].reserved -= lease.block.size
            holdings[application].leased += lease.block.size
            tellPeers(application, host, isAdded: true, at: now)
            let arrives = now + plan.leaseDelay
            let staged = arrives + plan.stagingDelay
            let held = HeldBlock(block: lease.block, epoch: lease.epoch, stagedAt: staged, at: now)
            holdings[application].blocks[host].append(LeasedBlock(held: held, arrives: arrives, origin: origin))
            schedule(.staged, application, host: host, block: lease.block, epoch: lease.epoch, at: staged)
        }
    }

    /// One block more or less: every other host that carries the application is told; a host that begins or ceases to
    /// carry it gets or drops all the others' blocks.
    mutating func tellPeers(_ application: Int, _ host: Int, isAdded: Bool, at now: Instant) {
        let own = holdings[application]
        // A block that goes has left the host's list before, one that comes has not entered it.
        let isFirst = own.blocks[host].isEmpty
        let carriers = own.carriers.count - (own.carriers.contains(host) ? 1 : 0)
        var messages = carriers
        if isFirst {
            messages += own.carriers.reduce(0) { $0 + ($1 == host ? 0 : own.blocks[$1].count) }
            if isAdded {
                let place = own.carriers.firstIndex { $0 > host } ?? own.carriers.count
                holdings[application].carriers.insert(host, at: place)
            } else {
                holdings[application].carriers.removeAll { $0 == host }
            }
        }
        tallies[application].messages(messages * plan.kernelMessages, at: now)
    }

    mutating func apply(_ events: [BookEvent]) { for event in events { book.apply(event) } }

    mutating func schedule(
        _ step: Step, _ application: Int, host: Int = 0, block: SNIBlock? = nil, epoch: Epoch = Epoch(0),
        at time: Instant
    ) {
        made += 1
        timers.insert(
            Timer(at: time, number: made, step: step, application: application, host: host, block: block, epoch: epoch))
    }

    /// Before anything changes: what was held until now counts as long as it lasted.
    mutating func account(_ application: Int, at now: Instant) {
        tallies[application].account(holdings[application], until: now)
    }
}

extension SNIBlock {
    /// Sizes of leases as orders.
    static let orders = 2...8
}
