import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SNISpace

/// Preemption: when the pool is short, a higher class takes from the lowest one what it reserved, then its blocks that
/// no VM uses, through the handshake. The latest expiry goes first, floors stay, and nothing bound is ever taken: a
/// launch that comes first wins, as at any other mark.
///
/// Who is refused waits in line, lower classes and equals who came later leave to it what comes free, and so what was
/// taken for it is not gone before it asks again. It waits until the next decision, or its next refusal, says so no more.
extension CoordinatorMachine {
    /// What was taken is the caller's to claim at once; marked blocks come free later.
    ///
    /// - Returns: identifiers that are free now.
    @discardableResult
    mutating func preempt(for application: ApplicationID, count: Int) -> Int {
        guard let record = state.applications[application], !record.deleting, !state.restoration.isOn, count > 0 else {
            return 0
        }
        state.book.queue(
            application, for: min(count, SessionNetworkID.spaceSize), until: now + configuration.decisionInterval)
        guard record.policy.priority.rank > .lowest else { return 0 }
        let (bindings, isLeftOut) = (state.bindings, planted.contains(.preemptBound))
        let missing = min(count, SessionNetworkID.spaceSize) - onItsWay(to: application)
        guard missing > 0 else { return 0 }
        let plan = try? state.book.preempt(
            for: application, count: missing, rank: record.policy.priority.rank, from: live.preemptionRest,
            isBound: { bindings.use(of: $0) != .init() && !isLeftOut })
        guard let plan else { return 0 }
        live.preemptionRest = plan.rest
        let winner = "\(record.name), which is \(record.policy.priority.rawValue)"
        var freed = 0
        for part in plan.reserved {
            let events = try? state.book.unreserve(part.block, of: part.application)
            guard let events else { continue }
            commit(events)
            freed += part.block.size
            note(part.application, .taken, "\(part.block.range), reserved, went to \(winner)")
            notice(
                .warning, "preempted",
                "\(part.block), reserved for \(part.application), goes to \(winner)"
            )
        }
        for lease in plan.blocks {
            mark(lease.block, reason: "preempted for \(record.name)", force: isLeftOut)
            live.preempted[application, default: []].insert(lease.block)
            note(lease.application, .taken, "\(lease.block.range) on \(lease.host) is asked back for \(winner)")
            notice(
                .warning, "preempting",
                "\(lease.block) of \(lease.application) on \(lease.host) is asked back for \(winner)"
            )
        }
        return freed
    }

    /// Identifiers that were asked back for an application and are not free yet.
    private mutating func onItsWay(to application: ApplicationID) -> Int {
        let book = state.book
        let coming = (live.preempted[application] ?? []).filter { block in
            guard let lease = book.lease(of: block) else { return false }
            return lease.state == .marked || lease.state == .draining || lease.state == .quarantined
        }
        live.preempted[application] = coming.isEmpty ? nil : coming
        return coming.reduce(0) { $0 + $1.size }
    }

    /// The book learns classes that a store of an older version did not hold.
    mutating func recoverRanks() {
        for record in state.applications.values.sorted(by: { $0.id < $1.id })
        where state.book.rank(of: record.id) != record.policy.priority.rank && !record.deleting {
            let quota = state.book.quota(of: record.id)
            let rank = record.policy.priority.rank
            try? book { (book) throws(BookError) in
                try book.setQuota(record.id, cap: quota.cap, floor: quota.floor, rank: rank)
            }
        }
    }
}

extension PriorityClass {
    /// Who takes from whom in a shortage.
    var rank: ClassRank {
        switch self {
        case .batch: .lowest
        case .standard: ClassRank(rawValue: 1)
        case .critical: ClassRank(rawValue: 2)
        }
    }
}
