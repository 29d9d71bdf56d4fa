import CoordinatorCore
import FleetProtocol
import NetworkTypes
import SNISpace

/// The checker's own account of who owns and leases what, kept per identifier in the dullest way there is, so that it
/// shares no idea and no mistake with the book.
struct Ledger {
    struct Lease {
        var block: SNIBlock
        var application: ApplicationID
        var host: HostID
        var epoch: Epoch
        var state: LeaseState
        /// True time at which it came into this state; after a failover, the time of the failover.
        var since: Int64
        /// An abort of the mark returns it to staged.
        var wasStaged = false
        /// Taken from a host that is off or cut off.
        var isFenced = false
    }
    struct Account {
        var owned = 0
        var cap = 0
        var floor = 0
        var debt: Int { max(0, floor - owned) }
    }

    let base: UInt32
    /// Per identifier of the pool: owner, claiming reservation, leased block.
    private(set) var owners: [ApplicationID?]
    private(set) var claims: [ReservationID?]
    private(set) var blocks: [SNIBlock?]
    private var epochs: [Epoch]
    /// Who leased an identifier last.
    private var former: [HostID?]
    private(set) var leases: [SNIBlock: Lease] = [:]
    /// By identifier, until it is its block's again.
    var migrations: [UInt32: Migration] = [:]
    private(set) var accounts: [ApplicationID: Account] = [:]
    private(set) var policies: [ApplicationID: ApplicationPolicy] = [:]
    private(set) var deleting: Set<ApplicationID> = []
    private(set) var reservations: Set<ReservationID> = []
    private(set) var term: UInt64 = 0
    private(set) var generation: UInt64 = 1
    /// Hosts that removals went on without, and that have not made up for it.
    private(set) var debtors: Set<HostID> = []
    /// Hosts that bind nothing until an operator decides, and why.
    private(set) var frozen: [HostID: HostFreeze] = [:]
    private(set) var fences: [HostID: HostFence] = [:]
    /// Peers may have acknowledged blocks of theirs while their endpoint was dropped.
    private(set) var everFenced: Set<HostID> = []
    private(set) var isRestoring = false
    /// Hosts that have said what they hold since a restoration began.
    private var heardSince: Set<HostID> = []
    private(set) var ownedTotal = 0
    /// Identifiers that floors promise beyond what is free: an old book's floors are its own, and what hosts hold besides
    /// is adopted all the same. It never grows otherwise.
    private(set) var floorDeficit = 0
    private let excluded: Int

    init(of configuration: CoordinatorConfiguration) {
        let pool = configuration.pool[0]
        excluded = configuration.excluded.reduce(0) { $0 + $1.count }
        base = pool.first.rawValue
        owners = Array(repeating: nil, count: pool.count)
        claims = Array(repeating: nil, count: pool.count)
        blocks = Array(repeating: nil, count: pool.count)
        epochs = Array(repeating: Epoch(0), count: pool.count)
        former = Array(repeating: nil, count: pool.count)
    }

    func places(of block: SNIBlock) -> Range<Int> {
        let first = Int(block.first.rawValue - base)
        return first..<first + block.size
    }

    func formerHost(of block: SNIBlock) -> HostID? { former[places(of: block).lowerBound] }

    func lease(around sni: UInt32) -> Lease? {
        guard sni >= base, Int(sni - base) < blocks.count, let block = blocks[Int(sni - base)] else { return nil }
        return leases[block]
    }

    /// - Returns: what is wrong with the event, nil when nothing is.
    mutating func apply(_ event: CoordinatorEvent, at now: Int64) -> (invariant: Int, text: String)? {
        switch event {
        case .book(let event): return apply(event, at: now)
        case .termStarted(let next):
            defer { term = next }
            return next > term ? nil : (2, "term \(next) starts after term \(term)")
        case .applicationCreated(let id, _, let policy, _), .applicationUpdated(let id, let policy, _):
            policies[id] = policy
        case .generationRaised(let next):
            defer { generation = next }
            return next > generation ? nil : (2, "generation \(next) follows \(generation)")
        case .host(let host, let event): apply(event, of: host)
        case .restoration(let step): apply(step)
        case .applicationDeleting(let id, _): deleting.insert(id)
        case .migration(let event): return apply(event)
        case .applicationDeleted(let id):
            policies[id] = nil
            deleting.remove(id)
        default: break
        }
        return nil
    }

    private mutating func apply(_ event: RestorationEvent) {
        switch event {
        case .started:
            isRestoring = true
            heardSince = []
        case .heard(let host): heardSince.insert(host)
        case .ended: isRestoring = false
        }
    }

    /// A restored book can know by now what was between the two hosts: it has heard both, and has acted on it.
    func isRestored(between one: HostID, and other: HostID) -> Bool {
        !isRestoring && heardSince.contains(one) && heardSince.contains(other)
    }

    private mutating func apply(_ event: SafetyEvent, of host: HostID) {
        switch event {
        case .debtIncurred: debtors.insert(host)
        case .debtRepaid: debtors.remove(host)
        case .frozen(let freeze): frozen[host] = freeze
        case .thawed: frozen[host] = nil
        case .fenceStarted(let fence):
            fences[host] = fence
            everFenced.insert(host)
        case .fenced:
            fences[host]?.isComplete = true
            for (block, lease) in leases where lease.host == host { leases[block]?.isFenced = true }
        case .fenceCancelled, .returned: fences[host] = nil
        case .replaced, .settled: break
        }
    }

    private mutating func apply(_ event: BookEvent, at now: Int64) -> (invariant: Int, text: String)? {
        switch event {
        case .reserved(let reservation): return reserve(reservation)
        case .reservationEnded(let id, _): end(id)
        case .unreserved(let block, let application): return unreserve(block, application)
        case .leased(let lease): return self.lease(lease, at: now)
        case .staged(let block): return move(block, from: [.leased], to: .staged, at: now)
        case .marked(let block, let epoch, _, _):
            return move(block, from: [.leased, .staged], to: .marked, epoch: epoch, at: now)
        case .markAborted(let block, let epoch):
            let former: LeaseState = leases[block]?.wasStaged == true ? .staged : .leased
            return move(block, from: [.marked], to: former, epoch: epoch, at: now)
        case .drained(let block, let epoch):
            return move(block, from: [.marked], to: .draining, epoch: epoch, at: now)
        case .fenced(let block, let epoch, _):
            leases[block]?.isFenced = true
            return move(block, from: [.leased, .staged, .marked], to: .draining, epoch: epoch, at: now)
        case .subleased(let lease): return sublease(lease, at: now)
        case .removed(let block): return move(block, from: [.draining], to: .quarantined, at: now)
        case .freed(let block): return free(block)
        case .superseded(let block): return supersede(block)
        case .quotaSet(let id, let cap, let floor):
            accounts[id, default: Account()].cap = cap
            accounts[id, default: Account()].floor = floor
        case .applicationForgotten(let id):
            defer { accounts[id] = nil }
            let owned = accounts[id]?.owned ?? 0
            return owned == 0 ? nil : (5, "application \(id) is forgotten and owns \(owned)")
        default: break
        }
        return nil
    }

    private mutating func reserve(_ reservation: Reservation) -> (invariant: Int, text: String)? {
        let id = reservation.application
        for place in places(of: reservation.block) {
            if let owner = owners[place] {
                return (8, "\(reservation.block) is reserved for \(id); \(base + UInt32(place)) is \(owner)'s")
            }
            owners[place] = id
            claims[place] = reservation.id
        }
        accounts[id, default: Account()].owned += reservation.block.size
        ownedTotal += reservation.block.size
        reservations.insert(reservation.id)
        let account = accounts[id] ?? Account()
        let isAdopted = reservation.reason.hasSuffix("unknown to the book")
        if isAdopted { floorDeficit = max(floorDeficit, floorsUnmet) }
        if account.cap > 0, account.owned > account.cap, !isAdopted {
            return (8, "application \(id) owns \(account.owned), its cap is \(account.cap)")
        }
        return nil
    }

    /// What is promised to applications by their floors, less what can still be given to them; below zero when all can.
    var floorsUnmet: Int {
        accounts.values.reduce(0) { $0 + $1.debt } - (owners.count - excluded - ownedTotal)
    }

    /// - Returns: whether floors are as well met as they can be.
    mutating func checkFloors() -> Bool {
        let unmet = floorsUnmet
        defer { floorDeficit = min(floorDeficit, max(0, unmet)) }
        return unmet <= floorDeficit
    }

    private mutating func release(_ place: Int) {
        if let owner = owners[place] {
            accounts[owner]?.owned -= 1
            ownedTotal -= 1
        }
        owners[place] = nil
        claims[place] = nil
    }

    private mutating func end(_ id: ReservationID) {
        reservations.remove(id)
        for place in claims.indices where claims[place] == id {
            claims[place] = nil
            if blocks[place] == nil { release(place) }
        }
    }

    private mutating func unreserve(_ block: SNIBlock, _ application: ApplicationID) -> (invariant: Int, text: String)?
    {
        for place in places(of: block) {
            guard owners[place] == application, blocks[place] == nil else {
                return (4, "\(block) is given back and \(base + UInt32(place)) is leased or another's")
            }
            release(place)
        }
        return nil
    }

    private mutating func lease(_ lease: BlockLease, at now: Int64) -> (invariant: Int, text: String)? {
        for place in places(of: lease.block) {
            let sni = base + UInt32(place)
            if let away = migrations[sni] {
                return (4, "\(lease.block) is leased, \(sni) is still at \(away.destination)")
            }
            if let other = blocks[place] { return (2, "\(lease.block) is leased over \(other)") }
            guard owners[place] == lease.application else { return (8, "\(sni) is leased and not its owner's") }
            guard lease.epoch > epochs[place] else {
                return (2, "epoch of \(sni) went from \(epochs[place]) to \(lease.epoch)")
            }
            blocks[place] = lease.block
            epochs[place] = lease.epoch
        }
        leases[lease.block] = Lease(
            block: lease.block, application: lease.application, host: lease.host, epoch: lease.epoch, state: .leased,
            since: now)
        return nil
    }

    /// An identifier of a block goes to another host; the block stays with its own.
    private mutating func sublease(_ lease: BlockLease, at now: Int64) -> (invariant: Int, text: String)? {
        let place = places(of: lease.block).lowerBound
        guard blocks[place] != nil, leases[lease.block] == nil else {
            return (2, "\(lease.block) is sub-leased out of nothing, or twice")
        }
        if let wrong = checkSublease(lease, around: self.lease(around: lease.block.first.rawValue)) { return wrong }
        guard lease.epoch > epochs[place] else {
            return (2, "epoch of \(lease.block) went from \(epochs[place]) to \(lease.epoch)")
        }
        epochs[place] = max(epochs[place], lease.epoch)
        leases[lease.block] = Lease(
            block: lease.block, application: lease.application, host: lease.host, epoch: lease.epoch, state: .leased,
            since: now)
        return nil
    }

    private mutating func move(
        _ block: SNIBlock, from allowed: [LeaseState], to state: LeaseState, epoch: Epoch? = nil, at now: Int64
    ) -> (invariant: Int, text: String)? {
        guard let held = leases[block] else { return (5, "\(block) becomes \(state) and nobody leases it") }
        guard allowed.contains(held.state) else { return (4, "\(block) goes from \(held.state) to \(state)") }
        if let epoch {
            guard epoch > held.epoch else { return (2, "epoch of \(block) went from \(held.epoch) to \(epoch)") }
            leases[block]?.epoch = epoch
            for place in places(of: block) { epochs[place] = epoch }
        }
        leases[block]?.wasStaged = held.state == .staged
        leases[block]?.state = state
        leases[block]?.since = now
        return nil
    }

    private mutating func free(_ block: SNIBlock) -> (invariant: Int, text: String)? {
        guard let held = leases.removeValue(forKey: block) else { return (5, "\(block) is freed and nobody leases it") }
        guard block.size > 1 else {
            migrations[block.first.rawValue] = nil
            return held.state == .quarantined ? nil : (4, "\(block) is freed as \(held.state)")
        }
        for place in places(of: block) {
            if let away = migrations[base + UInt32(place)] {
                return (4, "\(block) is freed, \(away.sni) is still at \(away.destination)")
            }
            blocks[place] = nil
            former[place] = held.host
            release(place)
        }
        guard held.state == .quarantined else { return (4, "\(block) is freed as \(held.state)") }
        return nil
    }

    /// Ends early what was on its way out, since somebody holds it.
    private mutating func supersede(_ block: SNIBlock) -> (invariant: Int, text: String)? {
        guard let held = leases[block], held.state == .draining || held.state == .quarantined else {
            return (4, "\(block) is superseded as \(leases[block]?.state.rawValue ?? "nobody's")")
        }
        leases[block] = nil
        guard block.size > 1 else {
            migrations[block.first.rawValue] = nil
            return nil
        }
        for place in places(of: block) {
            if let away = migrations[base + UInt32(place)] {
                return (4, "\(block) is superseded, \(away.sni) is still at \(away.destination)")
            }
            blocks[place] = nil
            former[place] = held.host
            release(place)
        }
        return nil
    }

    /// Lengths of time start anew with a new process.
    mutating func restartTimes(at now: Int64) {
        for block in leases.keys { leases[block]?.since = now }
    }
}

extension LeaseState {
    var isActive: Bool { self == .leased || self == .staged || self == .marked }
}
