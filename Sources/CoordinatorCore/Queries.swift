import FleetProtocol
public import NetworkTypes
public import SNISpace

/// Read models: plain values, nothing is changed by asking.
extension CoordinatorMachine {
    // MARK: Session Manager

    func info(_ record: ApplicationRecord) -> ApplicationInfo {
        let holdings = state.book.holdings(of: record.id)
        return ApplicationInfo(
            id: record.id, name: record.name, policy: record.policy, deleting: record.deleting,
            revision: record.revision, bound: state.bindings.byApplication[record.id] ?? 0, owned: holdings.owned,
            leased: holdings.leased + holdings.reclaiming)
    }

    func info(_ id: ApplicationID) throws(CoordinatorError) -> ApplicationInfo {
        guard let record = state.applications[id] else { throw .unknownApplication(id.description) }
        return info(record)
    }

    public func application(_ reference: ApplicationReference) throws(CoordinatorError) -> ApplicationInfo {
        info(try resolve(reference))
    }

    /// By name.
    public func applications() -> [ApplicationInfo] {
        state.applications.values.sorted { ($0.name, $0.id) < ($1.name, $1.id) }.map { info($0) }
    }

    func session(_ id: SessionID) throws(CoordinatorError) -> SessionInfo {
        guard let record = state.sessions[id] else { throw .unknownSession(id) }
        return SessionInfo(
            id: id, application: record.application, label: record.label, ended: record.ended,
            bound: state.bindings.bySession[id] ?? 0)
    }

    /// Newest first; an empty reference means all.
    public func sessions(of reference: ApplicationReference = "") throws(CoordinatorError) -> [SessionInfo] {
        let chosen = Set(try resolveAll(reference).map(\.id))
        var infos: [SessionInfo] = []
        for record in state.sessions.values.sorted(by: { $0.number > $1.number })
        where chosen.contains(record.application) {
            infos.append(try session(record.id))
        }
        return infos
    }

    /// By host, then identifier; nil and an empty reference mean all.
    public func virtualMachines(
        of reference: ApplicationReference = "", on host: HostID? = nil
    ) throws(CoordinatorError) -> [VirtualMachineInfo] {
        let application = reference.isEmpty ? nil : try resolve(reference).id
        if let host, state.hosts[host] == nil { throw .unknownHost(host) }
        var infos: [VirtualMachineInfo] = []
        for (id, entries) in state.bindings.byHost.sorted(by: { $0.key < $1.key }) where host == nil || host == id {
            for entry in entries.values.sorted(by: { $0.record.sni < $1.record.sni }) {
                let record = entry.record
                guard record.state == .bound || record.state == .held,
                    application == nil || application == record.application
                else { continue }
                infos.append(
                    VirtualMachineInfo(
                        interface: record.interface, application: record.application, session: record.session,
                        host: id, sni: record.sni, servedFrom: record.servedFrom))
            }
        }
        return infos
    }

    // MARK: Network Manager

    public func capabilities() -> Capabilities {
        Capabilities(
            chunkSize: 1 << state.foundation.chunkOrder, shuffled: true, blockSizes: (2...8).map { 1 << $0 },
            pool: state.book.plan.pool, excluded: state.book.plan.excluded, overlay: configuration.overlay,
            free: state.book.free, position: position)
    }

    func info(_ reservation: Reservation, at now: Instant) -> ReservationInfo {
        let left = live.timers.deadline(.reservation(reservation.id)).map { max(.zero, $0 - now) }
        return ReservationInfo(
            id: reservation.id, application: reservation.application, range: reservation.block.range,
            predicted: reservation.predicted,
            expiresIn: state.book.reservation(reservation.id) == nil ? .zero : left ?? reservation.lifetime,
            reason: reservation.reason)
    }

    /// By application, then range; an empty reference means all.
    public func reservations(
        of reference: ApplicationReference = "", at now: Instant
    ) throws(CoordinatorError) -> [ReservationInfo] {
        let application = reference.isEmpty ? nil : try resolve(reference).id
        return state.book.reservations(of: application).map { info($0, at: now) }
    }

    /// By first identifier; an empty reference means all.
    public func ranges(of reference: ApplicationReference = "") throws(CoordinatorError) -> [RangeInfo] {
        var infos: [RangeInfo] = []
        for record in try resolveAll(reference) {
            for range in state.book.ranges(of: record.id).map(\.range) {
                var info = RangeInfo(
                    range: range, application: record.id, reserved: range.count, leased: 0, bound: 0, quarantined: 0)
                for lease in state.book.leases(of: record.id, touching: range) {
                    info.reserved -= lease.block.size
                    info.bound += state.bindings.use(of: lease.block).inUse
                    if lease.state == .quarantined {
                        info.quarantined += lease.block.size
                    } else {
                        info.leased += lease.block.size
                    }
                }
                infos.append(info)
            }
        }
        return infos.sorted { $0.range < $1.range }
    }

    /// By block; nil and an empty reference mean all.
    ///
    /// - Parameters:
    ///   - block: the last one of the answer before; nil begins.
    ///   - limit: leases at most.
    public func leases(
        of reference: ApplicationReference = "", on host: HostID? = nil, after block: SNIBlock? = nil,
        limit: Int = .max
    ) throws(CoordinatorError) -> [LeaseInfo] {
        let application = reference.isEmpty ? nil : try resolve(reference).id
        if let host, state.hosts[host] == nil { throw .unknownHost(host) }
        let chosen: [BlockLease]
        if let host {
            let first = block.map { $0.first.rawValue + 1 } ?? 0
            let mine = state.book.leases(of: host).filter { $0.block.first.rawValue >= first }
            chosen = Array(
                mine.lazy.filter { application == nil || $0.application == application }.prefix(max(0, limit)))
        } else {
            chosen = state.book.leases(after: block, of: application, limit: limit)
        }
        let pairs = silentPairs
        return chosen.map { lease in
            LeaseInfo(
                block: lease.block, application: lease.application, host: lease.host, epoch: lease.epoch,
                state: lease.state, bound: state.bindings.use(of: lease.block).inUse, predicted: lease.predicted,
                silentPeers: silentPeers(of: lease, in: pairs))
        }
    }

    /// In order of reclamation, after the cursor, each exactly once: cursors rise over every generation, so that what a
    /// caller heard of before the store was restored hides nothing that came after.
    public func reclaimed(after cursor: UInt64, limit: Int = 1000) -> [ReclaimedBlock] {
        state.book.reclaimed(after: state.reclaimCursors.inner(cursor), limit: limit).map { entry in
            var entry = entry
            entry.cursor = state.reclaimCursors.outer(entry.cursor)
            return entry
        }
    }

    // MARK: Fleet

    /// By id.
    public func hosts(at now: Instant) -> [HostInfo] {
        state.hosts.values.sorted { $0.id < $1.id }.map { info($0, at: now) }
    }

    func info(_ host: HostID) throws(CoordinatorError) -> HostInfo {
        guard let record = state.hosts[host] else { throw .unknownHost(host) }
        return info(record, at: now)
    }

    private func info(_ record: HostRecord, at now: Instant) -> HostInfo {
        let known = live.hosts[record.id]
        let (reported, reason) = standing(of: record.id, known)
        return HostInfo(
            id: record.id, vtep: record.vtep, state: reported, incarnation: record.incarnation, boot: record.boot,
            leases: state.book.leaseCount(of: record.id), bound: state.bindings.boundByHost[record.id] ?? 0,
            acknowledgedRevision: known?.acknowledged.revision ?? 0, version: record.version, report: known?.report,
            silent: known.map { max(.zero, now - $0.contact) } ?? .zero, reason: reason, former: record.former,
            awaited: (live.moves[record.id] ?? [:]).keys.sorted())
    }

    /// What matters most to an operator comes first.
    private func standing(of id: HostID, _ known: HostLive?) -> (HostState, reason: String) {
        if known?.reach == .withdrawing { return (.withdrawing, "gives up what it held when it was fenced") }
        if let fence = state.safety[id]?.fence {
            return (fence.isComplete ? .fenced : .fencing, "\(fence.proof.rawValue): \(fence.reason)")
        }
        if let stop = stop(of: id) { return (.frozen, stop.reason) }
        switch known?.reach {
        case .connected where known?.isRecovering ?? false: return (.recovering, "its journal was lost or damaged")
        case .connected: return (.connected, "")
        case .repaying: return (.repaying, "has not acknowledged what it missed")
        case .impaired:
            let cause = known?.report?.journalFailure ?? "unknown"
            return (.impaired, "its journal cannot be written: \(cause); mend its disk, then restart its agent")
        case .away, .unreachable, .withdrawing, nil:
            guard let refusal = known?.refusal else { return (.unreachable, "") }
            return (.refused, refusal)
        }
    }

    public func status(at now: Instant) -> StatusInfo {
        let holdings = state.book.holdings
        let staged = stagedCounts
        return StatusInfo(
            version: configuration.version, position: position, hosts: state.hosts.count,
            hostsConnected: live.hosts.values.count { $0.reach.isStreaming }, applications: state.applications.count,
            free: state.book.free, reserved: holdings.reserved,
            leasedIdle: max(0, holdings.leased - state.bindings.total), bound: state.bindings.total,
            reclaiming: holdings.reclaiming, quarantined: holdings.quarantined, launches: state.launches,
            uptime: live.isRecovered ? now - live.startedAt : .zero, blocksStaged: staged.whole,
            blocksPartial: staged.partial, profiles: state.series.count, profilesEvicted: live.feed.evicted,
            unknownEntries: live.feed.strangers)
    }
}
