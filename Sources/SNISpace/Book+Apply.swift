import NetworkTypes

extension Book {
    /// The only mutation. Events come from commands of this book, or from a store that kept them in order.
    public mutating func apply(_ event: BookEvent) {
        switch event {
        case .chunkOpened(let index, let home): open(index, home)
        case .chunkTempered(let index, let isHot): applyTempered(index, isHot)
        case .reserved(let reservation): applyReserved(reservation)
        case .reservationExtended(let id, let lifetime):
            if let claim = claims.number(of: id) {
                claims[claim].reservation.lifetime = lifetime
                move(claim: claim, to: Claim.unknownStart + lifetime)
            }
        case .reservationEnded(let id, _): applyEnded(id)
        case .unreserved(let block, let application): applyUnreserved(block, application)
        case .leased(let lease): applyLeased(lease)
        case .staged(let block): change(block) { lease, _ in lease.state = .staged }
        case .marked(let block, let epoch, let reason, let force):
            change(block, epoch) { lease, reasons in
                lease[.stagedBeforeMark] = lease.state == .staged
                lease[.force] = force
                reasons.replace(&lease.reason, by: reason)
                lease.state = .marked
            }
        case .markAborted(let block, let epoch):
            change(block, epoch) { lease, reasons in
                lease.state = lease[.stagedBeforeMark] ? .staged : .leased
                lease.flags.subtract([.stagedBeforeMark, .force])
                reasons.replace(&lease.reason, by: "")
            }
        case .drained(let block, let epoch): change(block, epoch) { lease, _ in lease.state = .draining }
        case .fenced(let block, let epoch, let reason):
            change(block, epoch) { lease, reasons in
                lease[.fenced] = true
                reasons.replace(&lease.reason, by: reason)
                lease.state = .draining
            }
        case .removed(let block): change(block) { lease, _ in lease.state = .quarantined }
        case .freed(let block):
            if block.size == 1 { applySubleaseFreed(block) } else { applyFreed(block, isReclaimed: true) }
        case .superseded(let block):
            if block.size == 1 { applySubleaseFreed(block) } else { applyFreed(block, isReclaimed: false) }
        case .subleased(let lease):
            lastEpoch = max(lastEpoch, lease.epoch)
            insertSublease(lease)
        case .quotaSet(let application, let cap, let floor):
            adjust(application) { account in
                account.cap = cap
                account.floor = floor
            }
        case .ranked(let application, let rank): self.rank(application, rank)
        case .excluded(let range): applyExcluded(range)
        case .included(let range): applyIncluded(range)
        case .applicationForgotten(let application):
            retired.insert(application)
            // It owns nothing, so that there is no claim whose place its rank decides.
            adjust(application) { account in
                account.cap = 0
                account.floor = 0
                account.rank = .lowest
            }
        }
    }

    // MARK: Leases

    /// A lease changes, at a new epoch or at its own.
    private mutating func change(
        _ block: SNIBlock, _ epoch: Epoch? = nil, _ body: (inout LeaseRecord, inout Reasons) -> Void
    ) {
        if let epoch { lastEpoch = max(lastEpoch, epoch) }
        if block.size == 1 {
            guard var record = subleased[block.first.rawValue] else {
                preconditionFailure("event for \(block), which nobody leases")
            }
            if let epoch { record.epoch = epoch.rawValue }
            body(&record, &reasons)
            subleased[block.first.rawValue] = record
            return
        }
        guard let place = pages.place(of: plan.chunk(of: block.first)),
            let slot = pages[place].slot(at: block.first.rawValue)
        else { preconditionFailure("event for \(block), which nobody leases") }
        var record = pages[place].records[slot]
        let before = record.state
        if let epoch { record.epoch = epoch.rawValue }
        body(&record, &reasons)
        pages[place].records[slot] = record
        guard record.state != before else { return }
        count(before, of: record.application, -block.size)
        count(record.state, of: record.application, block.size)
        if record.state.isCarried != before.isCarried { pages[place].setCarried(record, record.state.isCarried) }
    }

    private mutating func count(_ state: LeaseState, of application: UInt32, _ identifiers: Int) {
        byState[state] += identifiers
        accounts[application].byState[state] += identifiers
    }

    private mutating func applyLeased(_ lease: BlockLease) {
        lastEpoch = max(lastEpoch, lease.epoch)
        guard let application = accounts.number(of: lease.application),
            let place = pages.place(of: plan.chunk(of: lease.block.first))
        else { preconditionFailure("\(lease.block) is leased and was not reserved for \(lease.application)") }
        insertLease(lease, of: application, at: place)
    }

    /// Records a lease of idle identifiers.
    mutating func insertLease(_ lease: BlockLease, of application: UInt32, at place: Int) {
        edit(place, application) { page in
            guard page.removeIdle(page.node(lease.block), of: application) else {
                preconditionFailure("\(lease.block) is leased and was not reserved for \(lease.application)")
            }
        }
        let depth = pages[place].depth
        forEachClaim(of: pages[place].node(lease.block), at: place) { book, claim, part in
            book.edit(claim: claim) { $0.idle -= 4 << part.level(depth) }
        }
        let host = hosts.intern(lease.host, Holder())
        var record = LeaseRecord(lease, application: application, host: host, reason: reasons.retain(lease.reason))
        record.next = hosts[host].first
        if record.next != LeaseRecord.end { link(record.next) { $0.previous = record.first } }
        hosts[host].first = record.first
        hosts[host].leases += 1
        leaseCount += 1
        pages[place].insert(record)
        count(record.state, of: application, record.size)
    }

    private mutating func link(_ first: UInt32, _ body: (inout LeaseRecord) -> Void) {
        guard let place = pages.place(of: first >> UInt32(plan.chunkOrder)), let slot = pages[place].slot(at: first)
        else { preconditionFailure("a list of leases names \(first), which nobody leases") }
        body(&pages[place].records[slot])
    }

    private mutating func applyFreed(_ block: SNIBlock, isReclaimed: Bool) {
        guard let place = pages.place(of: plan.chunk(of: block.first)),
            let slot = pages[place].slot(at: block.first.rawValue)
        else { preconditionFailure("\(block) is freed and was not leased") }
        let record = pages[place].records[slot]
        if isReclaimed { reclaimedLog.record(view(record)) }
        count(record.state, of: record.application, -block.size)
        pages[place].remove(slot: slot)
        leaseCount -= 1
        reasons.release(record.reason)
        unlink(record)
        cut(block, at: place, wasIdle: false)
        edit(place, record.application) { page in page.insertIdle(page.node(block), of: record.application) }
        giveBack([block], of: record.application, at: place)
    }

    private mutating func unlink(_ record: LeaseRecord) {
        if record.previous == LeaseRecord.end {
            hosts[record.host].first = record.next
        } else {
            link(record.previous) { $0.next = record.next }
        }
        if record.next != LeaseRecord.end { link(record.next) { $0.previous = record.previous } }
        hosts[record.host].leases -= 1
        dismiss(record.host)
    }

    /// Forgets a host that leases nothing.
    mutating func dismiss(_ host: UInt32) {
        if hosts[host].leases == 0, hosts[host].subleases.isEmpty { hosts.remove(host) }
    }
}

extension LeaseRecord {
    init(_ lease: BlockLease, application: UInt32, host: UInt32, reason: UInt32) {
        var flags: Flags = []
        if lease.predicted { flags.insert(.predicted) }
        if lease.fromReserved { flags.insert(.fromReserved) }
        if lease.stagedBeforeMark { flags.insert(.stagedBeforeMark) }
        if lease.force { flags.insert(.force) }
        if lease.fenced { flags.insert(.fenced) }
        self.init(
            first: lease.block.first.rawValue, application: application, host: host, reason: reason,
            epoch: lease.epoch.rawValue, grantEpoch: lease.grantEpoch.rawValue, order: UInt8(lease.block.order),
            state: lease.state, flags: flags)
    }
}

extension Reasons {
    mutating func replace(_ number: inout UInt32, by text: String) {
        release(number)
        number = retain(text)
    }
}
