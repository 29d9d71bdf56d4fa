import Allocation
import NetworkTypes
import SNISpace
import SimulationKit

/// Locality-aware sharding: the product's book, blocks leased to (application, host) by ``BlockPolicy``, given back
/// through the handshake.
struct LocalityScheme: Sendable {
    struct SeatState: Hashable, Sendable {
        var blocks: [HeldBlock] = []
        var past = SeatPast()
        /// When the policy looked last without need.
        var weighed = Instant(nanoseconds: 0)
        /// VMs.
        var bound: Int { blocks.reduce(0) { $0 + $1.bound } }
    }

    /// What happened so far.
    struct Counts: Hashable, Sendable {
        var launches = 0
        /// Launches that found no staged identifier, and waited for one.
        var waits = 0
        /// What all of them waited together, and the longest.
        var waited = Duration.zero
        var waitMax = Duration.zero
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
    /// By application: sum over its hosts of the squares of VMs there.
    private var squares: [Int]
    private var temperatures = Temperatures()
    private let applications: [ApplicationID]
    private let hosts: [HostID]
    private let policyInterval: Duration

    init(_ plan: ChurnPlan, outages: Outages) throws(BookError) {
        policy = plan.policy
        var naming = SeededGenerator(seed: plan.seed).fork(5)
        applications = (0..<plan.applications).map { _ in ApplicationID(.random(using: &naming)) }
        hosts = (0..<plan.hosts).compactMap { HostID("host-\($0)") }
        vms = Array(repeating: 0, count: plan.applications)
        squares = vms
        carriers = Array(repeating: [], count: plan.applications)
        let space = SNIRange(unchecked: 0, count: SessionNetworkID.spaceSize)
        let key = ShuffleKey(high: naming.next(), low: naming.next())
        book = Book(plan: try PoolPlan(chunkOrder: 12, pool: [space], excluded: [], key: key))
        reclaimer = Reclaimer(
            timing: plan.timing, outages: outages, hosts: plan.hosts,
            generator: SeededGenerator(seed: plan.seed).fork(6))
        policyInterval = plan.policyInterval
    }

    // MARK: Events

    mutating func launch(_ event: ChurnEvent, of place: Seat) throws(BookError) {
        let (vm, seat, now) = (event.vm, event.seat, event.at)
        advance(seat, place)
        if !event.isStray { states[seat].past.isHome = true }
        counts.launches += 1
        states[seat].past.launch(demand: demand(seat, at: now) + 1, at: now)
        var views = self.views(seat, at: now)
        if policy.serving(views) == nil {
            try grow(seat, waiting: 1, at: now)
            views = self.views(seat, at: now)
        }
        guard let chosen = policy.serving(views) else {
            preconditionFailure("seat \(seat) grew and has no room: \(views)")
        }
        if !views[chosen].isStaged { wait(until: states[seat].blocks[chosen].stagedAt, from: now) }
        let load = states[seat].bound
        guard let sni = states[seat].blocks[chosen].bind(at: now) else {
            preconditionFailure("seat \(seat) serves from a block without room: \(views[chosen])")
        }
        while identifiers.count <= vm { identifiers.append(nil) }
        precondition(identifiers[vm] == nil, "VM \(vm) is bound already")
        identifiers[vm] = sni
        vms[place.application] += 1
        squares[place.application] += 2 * load + 1
        let block = states[seat].blocks[chosen].block
        temperatures.launched(in: block, chunk: book.plan.chunk(of: block.first), at: now)
        let ready = views.reduce(0) { $0 + ($1.isOpen ? $1.ready : 0) } - 1
        if ready < policy.lowWatermark { try grow(seat, waiting: 0, at: now) }
    }

    private mutating func wait(until staged: Instant, from now: Instant) {
        counts.waits += 1
        counts.waited += staged - now
        counts.waitMax = max(counts.waitMax, staged - now)
    }

    mutating func stop(vm: Int, seat: Int, at now: Instant) {
        guard let sni = identifiers[vm], let index = states[seat].blocks.firstIndex(where: { $0.block.contains(sni) })
        else { preconditionFailure("VM \(vm) stops and seat \(seat) does not have it") }
        squares[seats[seat].application] -= 2 * states[seat].bound - 1
        states[seat].blocks[index].unbind(sni, cooldown: reclaimer.timing.cooldown, at: now)
        identifiers[vm] = nil
        vms[seats[seat].application] -= 1
        states[seat].past.stop()
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
        states[seat].past.review(demand(seat, at: now), interval: policyInterval, at: now)
        guard reclaimer.isReachable(seats[seat].host, at: now) else { return }
        let isFinal = hold == .zero
        if isFinal || states[seat].weighed + policy.weighInterval <= now
            || states[seat].blocks.contains(where: { $0.bound == 0 })
        {
            states[seat].weighed = now
            try follow(seat, waiting: 0, isFinal: isFinal, at: now)
        }
        for index in states[seat].blocks.indices {
            let block = states[seat].blocks[index]
            guard block.standing == .closing, block.stagedAt <= now, let since = block.emptySince,
                since + max(hold, reclaimer.timing.cooldown) <= now
            else { continue }
            try mark(seat, index, at: now)
        }
    }

    private mutating func grow(_ seat: Int, waiting: Int, at now: Instant) throws(BookError) {
        // A launch before the point of no return wins over the mark.
        for index in states[seat].blocks.indices where states[seat].blocks[index].standing == .marked {
            let block = states[seat].blocks[index]
            try apply(book.abort(block.block, epoch: block.epoch))
            states[seat].blocks[index].standing = .open
            states[seat].blocks[index].epoch = book.epoch
            counts.aborts += 1
            return
        }
        try follow(seat, waiting: waiting, isFinal: false, at: now)
    }

    /// - Parameter waiting: launches that found no room.
    private mutating func follow(
        _ seat: Int, waiting: Int, isFinal: Bool, at now: Instant
    ) throws(BookError) {
        let usable = states[seat].blocks.indices.filter { states[seat].blocks[$0].standing != .marked }
        let views = self.views(seat, at: now)
        let application = seats[seat].application
        let outlook = states[seat].past.outlook(
            demand(seat, at: now) + waiting, typical: typical(application), carriers: carriers[application].count,
            isFinal: isFinal, at: now)
        let wish = policy.wish(usable.map { views[$0] }, outlook: outlook)
        for (place, index) in usable.enumerated() {
            states[seat].blocks[index].standing = wish.open[place] ? .open : .closing
        }
        if let order = wish.lease { try lease(seat, order: order, at: now) }
    }

    /// VMs of an application on the host of one of its VMs: hosts that are being left hardly count.
    func typical(_ application: Int) -> Double {
        vms[application] > 0 ? Double(squares[application]) / Double(vms[application]) : 0
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
            let staged = reclaimer.stage(
                lease.block, epoch: lease.epoch, seat: seat, peers: carriers[place.application], at: now)
            states[seat].blocks.append(
                HeldBlock(block: lease.block, epoch: lease.epoch, stagedAt: staged, at: now))
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
            case .staged: try apply(book.stage(timer.block))
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
        for event in events {
            book.apply(event)
            temperatures.follow(event, of: book)
        }
    }

    func activeRuns(_ application: Int) -> [SNIRange] { book.activeRuns(of: applications[application]) }
}
