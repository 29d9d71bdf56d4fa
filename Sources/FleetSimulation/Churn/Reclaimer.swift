import HeapModule
import NetworkTypes
import SimulationKit

/// When a new block is staged, and when the steps of the handshake of `design.md` section 10 happen: messages take time, hosts and coordinator do one
/// thing after the other, and who cannot be reached is waited for (the owner) or counted as a debt (a peer).
struct Reclaimer: Sendable {
    enum Step: Int, Hashable, Sendable {
        /// Every peer that can be reached carries a new block, and its host knows.
        case staged
        /// The owner's point of no return has arrived.
        case drained
        /// The owner and every reachable peer have acknowledged the removal.
        case removed
        /// The quarantine is over.
        case freed
    }

    struct Timer: Hashable, Comparable, Sendable {
        var at: Instant
        /// Ties in the order of their making.
        var number: Int
        var step: Step
        var seat: Int
        var block: SNIBlock
        /// Of the mark: a timer of an aborted one counts for nothing.
        var epoch: Epoch
        static func < (lhs: Self, rhs: Self) -> Bool { (lhs.at, lhs.number) < (rhs.at, rhs.number) }
    }

    let timing: ReclaimTiming
    private let outages: Outages
    private var timers = Heap<Timer>()
    private var made = 0
    private var coordinator = Instant(nanoseconds: 0)
    private var hosts: [Instant]
    private var generator: SeededGenerator
    /// Removals that an unreachable peer owes, by host, until its outage ends.
    private var debts: [(owed: Int, until: Instant)]
    /// Debts ever made.
    private(set) var debtTotal = 0
    private(set) var debtPeak = 0

    init(timing: ReclaimTiming, outages: Outages, hosts: Int, generator: SeededGenerator) {
        self.timing = timing
        self.outages = outages
        self.hosts = Array(repeating: Instant(nanoseconds: 0), count: hosts)
        self.generator = generator
        debts = Array(repeating: (0, Instant(nanoseconds: 0)), count: hosts)
    }

    func isReachable(_ host: Int, at now: Instant) -> Bool { outages.outage(of: host, at: now) == nil }

    /// The next step that is due.
    mutating func next(until now: Instant) -> Timer? {
        guard let first = timers.min, first.at <= now else { return nil }
        return timers.popMin()
    }

    /// A host asks for a block: lease, staging at all peers, and the word that they carry it.
    ///
    /// Peers that are known to be unreachable are not waited for; they are told when they return.
    /// - Returns: when the host knows.
    mutating func stage(
        _ block: SNIBlock, epoch: Epoch, seat: Int, peers: some Sequence<Int>, at now: Instant
    ) -> Instant {
        let sent = coordinate(at: now + oneWay())
        var last = sent
        for peer in peers {
            let arrival = sent + oneWay()
            if let outage = outages.outage(of: peer, at: arrival) {
                last = max(last, outage.start + timing.detection)
            } else {
                last = max(last, work(peer, at: arrival) + oneWay())
            }
            coordinator = max(coordinator, sent) + timing.coordinatorWork
        }
        let known = max(last, coordinator) + oneWay()
        schedule(.staged, block, epoch: epoch, seat: seat, at: known)
        return known
    }

    /// The mark leaves for the owner; what is lost in an outage is sent again at its end.
    mutating func mark(_ block: SNIBlock, epoch: Epoch, seat: Int, owner: Int, at now: Instant) {
        var arrival = coordinate(at: now) + oneWay()
        if let outage = outages.outage(of: owner, at: arrival) { arrival = outage.end + oneWay() }
        let answer = work(owner, at: arrival) + oneWay()
        schedule(.drained, block, epoch: epoch, seat: seat, at: answer)
    }

    /// The removal leaves for the owner and all peers.
    mutating func remove(
        _ block: SNIBlock, epoch: Epoch, seat: Int, owner: Int, peers: some Sequence<Int>, at now: Instant
    ) {
        var last = coordinate(at: now)
        let sent = last
        for peer in peers {
            let arrival = sent + oneWay()
            if let outage = outages.outage(of: peer, at: arrival) {
                let known = outage.start + timing.detection
                guard peer == owner else {
                    owe(peer, until: outage.end, at: now)
                    last = max(last, known)
                    continue
                }
                last = max(last, work(peer, at: outage.end + oneWay()) + oneWay())
            } else {
                last = max(last, work(peer, at: arrival) + oneWay())
            }
            coordinator = max(coordinator, sent) + timing.coordinatorWork
        }
        schedule(.removed, block, epoch: epoch, seat: seat, at: max(last, coordinator))
    }

    mutating func quarantine(_ block: SNIBlock, epoch: Epoch, seat: Int, at now: Instant) {
        schedule(.freed, block, epoch: epoch, seat: seat, at: now + timing.quarantine)
    }

    private mutating func schedule(_ step: Step, _ block: SNIBlock, epoch: Epoch, seat: Int, at time: Instant) {
        made += 1
        timers.insert(Timer(at: time, number: made, step: step, seat: seat, block: block, epoch: epoch))
    }

    private mutating func oneWay() -> Duration {
        .nanoseconds(Int64(generator.exponential(mean: timing.oneWayMean.inSeconds) * 1e9))
    }

    private mutating func coordinate(at now: Instant) -> Instant {
        coordinator = max(coordinator, now) + timing.coordinatorWork
        return coordinator
    }

    private mutating func work(_ host: Int, at now: Instant) -> Instant {
        hosts[host] = max(hosts[host], now) + timing.hostWork
        return hosts[host]
    }

    private mutating func owe(_ host: Int, until end: Instant, at now: Instant) {
        if debts[host].until != end { debts[host] = (0, end) }
        debts[host].owed += 1
        debtTotal += 1
        debtPeak = max(debtPeak, debts[host].owed)
    }
}
