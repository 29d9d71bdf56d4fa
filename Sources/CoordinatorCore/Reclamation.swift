import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SNISpace

/// Reclamation: mark, drain, remove, quarantine, free. Nothing else frees a leased block.
extension CoordinatorMachine {
    mutating func mark(_ block: SNIBlock, reason: String, force: Bool) {
        if let host = state.book.lease(of: block)?.host, stop(of: host) != nil { return }
        if block.size == 1, let migration = state.migrations[block.first], !migration.isSourceReady {
            return abort(migration, reason: reason)
        }
        try? book { (book) throws(BookError) in try book.mark(block, reason: reason, force: force) }
    }

    mutating func take(_ answer: DrainAnswer, from host: HostID) {
        // Either of two machines may have said it.
        guard let lease = state.book.lease(of: answer.block), lease.host == host, stop(of: host) == nil else {
            return
        }
        let named = planted.contains(.acceptDelayedDrainAcknowledgement) ? lease.epoch : answer.epoch
        do throws(BookError) {
            switch answer.outcome {
            case .drained: try book { (book) throws(BookError) in try book.drain(answer.block, epoch: named) }
            case .refused(let reason, _):
                try book { (book) throws(BookError) in try book.abort(answer.block, epoch: answer.epoch) }
                notice(.info, "drain-refused", "host \(host) keeps \(answer.block): \(reason)")
            }
        } catch {
            // A stale epoch: the host is told the one in force, and answers again if it still matters.
            notice(.info, "stale-drain-answer", "\(answer.block) of \(host): \(error)")
        }
    }

    mutating func drainTimedOut(_ block: SNIBlock) {
        guard let lease = state.book.lease(of: block), lease.state == .marked else { return }
        if planted.contains(.countUnreachableAsIdle), live.hosts[lease.host]?.reach == .unreachable {
            try? book { (book) throws(BookError) in try book.drain(block, epoch: lease.epoch) }
            return
        }
        try? book { (book) throws(BookError) in try book.abort(block, epoch: lease.epoch) }
        notice(.warning, "drain-timeout", "host \(lease.host) did not answer the mark of \(block); it keeps it")
    }

    mutating func quarantineEnded(_ block: SNIBlock) {
        guard let lease = state.book.lease(of: block) else { return }
        // A block is not free before the identifiers that moved out of it are, and nothing is while a book is restored.
        guard !state.restoration.isOn, block.size == 1 || state.book.subleases(of: block).isEmpty else {
            return live.timers.arm(.quarantine(block), at: now + configuration.quarantine)
        }
        if let holder = unadoptedHolder(of: block) {
            adoptAgain(holder)
            guard state.book.lease(of: block)?.state == .quarantined else { return }
            return live.timers.arm(.quarantine(block), at: now + configuration.quarantine)
        }
        try? book { (book) throws(BookError) in try book.free(block) }
        keepRecalled(block, for: lease.application)
        if state.applications[lease.application]?.deleting ?? false { proceedWithDeletion(of: lease.application) }
    }

    // MARK: By hand

    mutating func reclaim(
        _ target: ReclaimTarget, dryRun: Bool, reason: String, force: Bool
    ) throws(CoordinatorError) -> Reply {
        guard !reason.isEmpty else { throw .invalid(field: "reason", why: "must say why, for the audit") }
        guard reason.count <= 256 else { throw .invalid(field: "reason", why: "must have at most 256 characters") }
        guard dryRun || !state.restoration.isOn else {
            throw .restoring(awaited: state.restoration.awaited.sorted())
        }
        let (leases, reserved) = try targets(of: target)
        let items = leases.map { item(for: $0, force: force) } + reserved.map(\.item)
        guard !dryRun else { return .reclaim(items.sorted { $0.block < $1.block }) }
        for item in items where item.accepted {
            if item.host != nil {
                mark(item.block, reason: reason, force: force)
            } else {
                try? book { (book) throws(BookError) in try book.unreserve(item.block, of: item.application) }
            }
        }
        notice(.info, "reclaim", "\(items.count { $0.accepted }) of \(items.count) blocks: \(reason)")
        return .reclaim(items.sorted { $0.block < $1.block })
    }

    private struct ReservedTarget {
        var item: ReclaimItem
        init(_ block: SNIBlock, _ application: ApplicationID) {
            item = ReclaimItem(
                block: block, application: application, host: nil, accepted: true, refusal: "", users: [])
        }
    }

    private func targets(
        of target: ReclaimTarget
    ) throws(CoordinatorError) -> (leases: [BlockLease], reserved: [ReservedTarget]) {
        switch target {
        case .identifier(let sni):
            let range = SNIRange(unchecked: sni.rawValue, count: 1)
            guard state.book.plan.contains(range) else { throw .outsidePool(range) }
            if let lease = state.book.lease(around: sni) { return ([lease], []) }
            guard let owner = state.book.owner(of: sni) else { return ([], []) }
            let order = blockSize(of: owner).trailingZeroBitCount
            let block = state.book.idleBlock(around: sni, order: order)
            return ([], block.map { [ReservedTarget($0, owner)] } ?? [])
        case .range(let range):
            guard state.book.plan.contains(range) else { throw .outsidePool(range) }
            let reserved = state.book.idleBlocks(touching: range).map { ReservedTarget($0.block, $0.application) }
            return (state.book.leases(touching: range), reserved)
        case .application(let reference):
            let record = try resolve(reference)
            let reserved = state.book.idleBlocks(of: record.id).map { ReservedTarget($0, record.id) }
            return (leases(of: record.id), reserved)
        case .host(let host):
            guard state.hosts[host] != nil else { throw .unknownHost(host) }
            return (held(by: host), [])
        }
    }

    private func item(for lease: BlockLease, force: Bool) -> ReclaimItem {
        let users = state.bindings.users(of: lease.block, on: lease.host)
        let refusal: String
        switch lease.state {
        case .marked: refusal = "already marked"
        case .draining: refusal = "already draining"
        case .quarantined: refusal = "already in quarantine"
        case .leased, .staged:
            if let stop = stop(of: lease.host) {
                refusal = "host \(lease.host) is \(stop.code)"
            } else if live.hosts[lease.host]?.reach != .connected {
                refusal = "host \(lease.host) is not connected"
            } else if !users.isEmpty, !force {
                refusal = "in use"
            } else {
                refusal = ""
            }
        }
        return ReclaimItem(
            block: lease.block, application: lease.application, host: lease.host, accepted: refusal.isEmpty,
            refusal: refusal, users: users)
    }
}
