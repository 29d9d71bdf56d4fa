import NetworkTypes
import SNISpace
import SimulationKit

/// Locality-aware sharding: the product's book, blocks leased to (application, host) by ``BlockPolicy``, given back
/// through the handshake.
struct LocalityScheme: Sendable {
    struct SeatState: Hashable, Sendable {
        var blocks: [HeldBlock] = []
        var past = SeatPast()
    }

    /// What happened so far.
    struct Counts: Hashable, Sendable {
        var launches = 0
        /// Launches that had to wait for a lease.
        var waits = 0
        var leases = 0
        var aborts = 0
        /// Chunks that became hot or cold.
        var flips = 0
        var freedBlocks = 0
        var freedIdentifiers = 0
    }

    let policy: BlockPolicy
    private(set) var book: Book
    private(set) var states: [SeatState] = []
    private(set) var seats: [Seat] = []
    private(set) var counts = Counts()
    private(set) var reclaimer: Reclaimer
    /// Identifier by VM.
    private(set) var identifiers: [SessionNetworkID?] = []
    /// Hosts that hold a block of an application: the peers that a removal waits for.
    private var carriers: [[Int]]
    private var vms: [Int]
    private var temperatures = Temperatures()
    private let applications: [ApplicationID]
    private let hosts: [HostID]
    private let forgetting: Double
    private let policyInterval: Duration

    init(_ plan: ChurnPlan, outages: Outages) throws(BookError) {
        policy = plan.policy
        var naming = SeededGenerator(seed: plan.seed).fork(5)
        applications = (0..<plan.applications).map { _ in ApplicationID(.random(using: &naming)) }
        hosts = (0..<plan.hosts).compactMap { HostID("host-\($0)") }
        vms = Array(repeating: 0, count: plan.applications)
        carriers = Array(repeating: [], count: plan.applications)
        let space = SNIRange(unchecked: 0, count: SessionNetworkID.spaceSize)
        let key = ShuffleKey(high: naming.next(), low: naming.next())
        book = Book(plan: try PoolPlan(chunkOrder: 12, pool: [space], excluded: [], key: key))
        reclaimer = Reclaimer(
            timing: plan.timing, outages: outages, hosts: plan.hosts,
            generator: SeededGenerator(seed: plan.seed).fork(6))
        policyInterval = plan.policyInterval
        var keep = 1.0
        let halves = plan.policyInterval / policy.memory
        // 2^-halves by squaring sixteenths: good to four digits, and no mathematics library in a core.
        for _ in 0..<16 { keep *= 1 - halves * 0.693_147_18 / 16 }
        forgetting = max(0, keep)
    }

    // MARK: Events

    mutating func launch(_ event: ChurnEvent, of place: Seat) throws(BookError) {
        let (vm, seat, now) = (event.vm, event.seat, event.at)
        advance(seat, place)
        if !event.isStray { states[seat].past.isHome = true }
        counts.launches += 1
        var views = self.views(seat, at: now)
        if policy.serving(views) == nil {
            counts.waits += 1
            try grow(seat, at: now)
            views = self.views(seat, at: now)
        }
        guard let chosen = policy.serving(views), let sni = states[seat].blocks[chosen].bind(at: now) else {
            preconditionFailure("seat \(seat) grew and has no room: \(views)")
        }
        while identifiers.count <= vm { identifiers.append(nil) }
        precondition(identifiers[vm] == nil, "VM \(vm) is bound already")
        identifiers[vm] = sni
        vms[place.application] += 1
        let block = states[seat].blocks[chosen].block
        temperatures.launched(in: block, chunk: book.plan.chunk(of: block.first), at: now)
        let ready = views.reduce(0) { $0 + ($1.isOpen ? $1.ready : 0) } - 1
        if ready < policy.lowWatermark { try grow(seat, at: now) }
    }

    mutating func stop(vm: Int, seat: Int, at now: Instant) {
        guard let sni = identifiers[vm], let index = states[seat].blocks.firstIndex(where: { $0.block.contains(sni) })
        else { preconditionFailure("VM \(vm) stops and seat \(seat) does not have it") }
        states[seat].blocks[index].unbind(sni, cooldown: reclaimer.timing.cooldown, at: now)
        identifiers[vm] = nil
        vms[seats[seat].application] -= 1
        states[seat].past.stops += 1
    }

    private mutating func advance(_ seat: Int, _ place: Seat) {
        while states.count <= seat {
            states.append(SeatState())
            seats.append(place)
        }
        seats[seat] = place
    }

    func views(_ seat: Int, at now: Instant) -> [BlockPolicy.View] {
        states[seat].blocks.map { block in
            var block = block
            return block.view(at: now)
        }
    }

    // MARK: Policy

    /// Closes, leases and gives back where the policy says so.
    mutating func review(_ seat: Int, hold: Duration, at now: Instant) throws(BookError) {
        guard !states[seat].blocks.isEmpty else { return }
        let demand = demand(seat, at: now)
        states[seat].past.review(demand, forgetting: forgetting, at: now)
        let isReachable = reclaimer.isReachable(seats[seat].host, at: now)
        if isReachable {
            try follow(seat, isFinal: hold == .zero, mustGrow: false, at: now)
        }
        guard isReachable else { return }
        for index in states[seat].blocks.indices {
            let block = states[seat].blocks[index]
            guard block.standing == .closing, let since = block.emptySince,
                since + max(hold, reclaimer.timing.cooldown) <= now
            else { continue }
            try mark(seat, index, at: now)
        }
    }

    private mutating func grow(_ seat: Int, at now: Instant) throws(BookError) {
        // A launch before the point of no return wins over the mark.
        for index in states[seat].blocks.indices where states[seat].blocks[index].standing == .marked {
            let block = states[seat].blocks[index]
            try apply(book.abort(block.block, epoch: block.epoch))
            states[seat].blocks[index].standing = .open
            states[seat].blocks[index].epoch = book.epoch
            counts.aborts += 1
            return
        }
        try follow(seat, isFinal: false, mustGrow: true, at: now)
    }

    private mutating func follow(_ seat: Int, isFinal: Bool, mustGrow: Bool, at now: Instant) throws(BookError) {
        let usable = states[seat].blocks.indices.filter { states[seat].blocks[$0].standing != .marked }
        let views = self.views(seat, at: now)
        let demand = demand(seat, at: now)
        let expected = states[seat].past.view(
            demand, isFinal: isFinal, typical: typical(seats[seat].application), interval: policyInterval)
        let wish = policy.wish(usable.map { views[$0] }, demand: expected, mustGrow: mustGrow)
        for (place, index) in usable.enumerated() {
            states[seat].blocks[index].standing = wish.open[place] ? .open : .closing
        }
        if let order = wish.lease { try lease(seat, order: order, at: now) }
    }

    /// VMs that a host of an application carries.
    private func typical(_ application: Int) -> Int {
        let hosts = carriers[application].count
        return hosts > 0 ? vms[application] / hosts : 0
    }

    /// Bound and cooling.
    private mutating func demand(_ seat: Int, at now: Instant) -> Int {
        var demand = 0
        for index in states[seat].blocks.indices {
            demand += states[seat].blocks[index].bound + states[seat].blocks[index].cooling(at: now)
        }
        return demand
    }

    // MARK: Book

    private mutating func lease(_ seat: Int, order: Int, at now: Instant) throws(BookError) {
        let place = seats[seat]
        let application = applications[place.application]
        if !book.hasIdle(application, order: order) {
            let id = ReservationID(UUID128(high: UInt64(seat), low: book.epoch.rawValue))
            try apply(
                book.reserve(
                    id: id, application: application, count: 1 << order, blockOrder: order, predicted: false,
                    lifetime: .seconds(86_400), reason: "demand"))
        }
        let events = try book.lease(
            application: application, host: hosts[place.host], order: order, predicted: false, fromReserved: false)
        apply(events)
        counts.leases += 1
        for case .leased(let lease) in events {
            if states[seat].blocks.isEmpty { carriers[place.application].append(place.host) }
            states[seat].blocks.append(HeldBlock(block: lease.block, epoch: lease.epoch, at: now))
            apply(try book.stage(lease.block))
        }
    }

    private mutating func mark(_ seat: Int, _ index: Int, at now: Instant) throws(BookError) {
        let block = states[seat].blocks[index].block
        try apply(book.mark(block, reason: "surplus", force: false))
        states[seat].blocks[index].standing = .marked
        states[seat].blocks[index].epoch = book.epoch
        reclaimer.mark(block, epoch: book.epoch, seat: seat, owner: seats[seat].host, at: now)
    }

    /// Carries out what of the handshakes is due.
    mutating func advance(to now: Instant) throws(BookError) {
        while let timer = reclaimer.next(until: now) {
            guard let lease = book.lease(of: timer.block), lease.epoch == timer.epoch else { continue }
            switch timer.step {
            case .drained: try drained(timer)
            case .removed:
                try apply(book.remove(timer.block))
                reclaimer.quarantine(timer.block, epoch: timer.epoch, seat: timer.seat, at: timer.at)
            case .freed:
                try apply(book.free(timer.block))
                temperatures.forget(timer.block)
                counts.freedBlocks += 1
                counts.freedIdentifiers += timer.block.size
            }
        }
    }

    /// Chunks become hot and cold by their launches: the book grows an application in its hot ones first.
    mutating func temper(at now: Instant) throws(BookError) {
        for flip in temperatures.flips(of: book, at: now) {
            try apply(book.temper(chunk: flip.chunk, isHot: flip.isHot))
            counts.flips += 1
        }
    }

    private mutating func drained(_ timer: Reclaimer.Timer) throws(BookError) {
        let place = seats[timer.seat]
        try apply(book.drain(timer.block, epoch: timer.epoch))
        guard let index = states[timer.seat].blocks.firstIndex(where: { $0.block == timer.block }) else {
            preconditionFailure("\(timer.block) is drained and seat \(timer.seat) does not hold it")
        }
        precondition(states[timer.seat].blocks[index].bound == 0, "\(timer.block) is drained and carries VMs")
        states[timer.seat].blocks.remove(at: index)
        reclaimer.remove(
            timer.block, epoch: book.epoch, seat: timer.seat, owner: place.host, peers: carriers[place.application],
            at: timer.at)
        if states[timer.seat].blocks.isEmpty { carriers[place.application].removeAll { $0 == place.host } }
    }

    private mutating func apply(_ events: [BookEvent]) {
        for event in events { book.apply(event) }
    }

    func activeRuns(_ application: Int) -> [SNIRange] { book.activeRuns(of: applications[application]) }
}
