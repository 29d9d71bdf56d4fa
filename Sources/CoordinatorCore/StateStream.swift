import DequeModule
import FleetProtocol
import NetworkTypes
import SNISpace

/// The state of hosts: what each should know, what it was told, and what it acknowledged.
extension CoordinatorMachine {
    // MARK: Who needs to know what

    /// The application and those that its policy and theirs both allow.
    func circle(of application: ApplicationID) -> [ApplicationID] {
        guard let record = state.applications[application] else { return [application] }
        return [application]
            + record.policy.allowed.filter { other in
                state.applications[other]?.policy.allowed.contains(application) ?? false
            }.sorted()
    }

    /// Hosts that carry the application: those that lease for it or for one that it may talk to.
    func watchers(of application: ApplicationID) -> Set<HostID> {
        circle(of: application).reduce(into: []) { $0.formUnion((live.presence[$1] ?? [:]).keys) }
    }

    private func watched(by host: HostID) -> Set<ApplicationID> {
        (live.applicationsOf[host] ?? []).reduce(into: []) { $0.formUnion(circle(of: $1)) }
    }

    mutating func changePresence(of application: ApplicationID, on host: HostID, by change: Int) {
        let before = live.presence[application]?[host] ?? 0
        let after = before + change
        live.presence[application, default: [:]][host] = after == 0 ? nil : after
        if live.presence[application]?.isEmpty ?? false { live.presence[application] = nil }
        guard (before == 0) != (after == 0) else { return }
        if after == 0 {
            live.applicationsOf[host]?.remove(application)
        } else {
            live.applicationsOf[host, default: []].insert(application)
        }
        live.dirtyHosts.insert(host)
    }

    func scope(of application: ApplicationID) -> ScopeState? {
        guard let record = state.applications[application], live.presence[application] != nil else { return nil }
        return ScopeState(
            application: application, name: record.name, ranges: state.book.activeRuns(of: application),
            allowed: Array(circle(of: application).dropFirst()), priority: record.policy.priority)
    }

    private func order(_ lease: BlockLease) -> LeaseOrder {
        LeaseOrder(
            block: lease.block, application: lease.application, epoch: lease.epoch,
            staged: lease.state == .staged || lease.stagedBeforeMark, marked: lease.state == .marked,
            force: lease.force, fromReserved: lease.fromReserved, incoming: incoming(lease)?.interface)
    }

    /// The migration that a sub-lease still waits for.
    private func incoming(_ lease: BlockLease) -> Migration? {
        guard lease.block.size == 1, let migration = state.migrations[lease.block.first] else { return nil }
        return migration.phase == .preparing ? migration : nil
    }

    private func remote(_ lease: BlockLease) -> RemoteBlock? {
        guard let owner = state.hosts[lease.host] else { return nil }
        return RemoteBlock(
            block: lease.block, application: lease.application, epoch: lease.grantEpoch, host: lease.host,
            vtep: owner.vtep, standby: incoming(lease) != nil, former: owner.former)
    }

    func view(of host: HostID) -> HostView {
        var view = HostView()
        for (other, safety) in state.safety where other != host {
            guard let fence = safety.fence else { continue }
            view.dropped.insert(fence.vtep)
            if let former = fence.former { view.dropped.insert(former) }
        }
        view.endpoint = endpointOrdered(of: host)
        view.departures = departures(from: host)
        for application in watched(by: host) {
            view.scopes[application] = scope(of: application)
            for lease in leases(of: application) where lease.isActive {
                put(lease, in: &view, of: host)
            }
        }
        return view
    }

    private func put(_ lease: BlockLease, in view: inout HostView, of host: HostID) {
        if lease.host == host {
            guard isTold(lease) else { return }
            view.leases[lease.block.key] = order(lease)
        } else {
            view.remotes[lease.block.key] = remote(lease)
        }
    }

    // MARK: Telling

    /// Tells every connected host what changed for it, in one update each.
    ///
    /// While a book is restored, nobody is told anything: what kernels carry is newer than what the book knows.
    mutating func settle() {
        guard !state.restoration.isOn else { return }
        let blocks = live.dirtyBlocks.sorted()
        let scopes = live.dirtyScopes
        let whole = live.dirtyHosts.union(live.snapshots)
        let snapshots = live.snapshots
        live.dirtyBlocks = []
        live.dirtyScopes = []
        live.dirtyHosts = []
        live.snapshots = []
        var touched: [HostID: (scopes: Set<ApplicationID>, blocks: [SNIBlock])] = [:]
        for application in scopes {
            for host in watchers(of: application) { touched[host, default: ([], [])].scopes.insert(application) }
        }
        for block in blocks {
            guard let lease = state.book.lease(of: block) else { continue }
            for host in watchers(of: lease.application).union([lease.host]) {
                touched[host, default: ([], [])].blocks.append(block)
            }
        }
        for host in Set(touched.keys).union(whole).sorted() where live.hosts[host]?.reach.isStreaming ?? false {
            if snapshots.contains(host) {
                sendSnapshot(to: host)
            } else if whole.contains(host) {
                let sent = live.hosts[host]?.sent ?? HostView()
                let next = view(of: host)
                live.hosts[host]?.sent = next
                tell(host, from: sent, to: next)
            } else if let changes = touched[host] {
                // Taken out, so that the dictionaries are changed in place and not copied.
                var view = live.hosts[host]?.sent ?? HostView()
                live.hosts[host]?.sent = nil
                let before = view.limited(to: changes)
                for application in changes.scopes { view.scopes[application] = scope(of: application) }
                for block in changes.blocks { renew(block, in: &view, of: host) }
                let after = view.limited(to: changes)
                live.hosts[host]?.sent = view
                tell(host, from: before, to: after)
            }
        }
        dateDebts()
        dateMoves()
        releaseUntold(blocks)
        if !live.dirtyBlocks.isEmpty || !live.dirtyHosts.isEmpty { settle() }
    }

    private func renew(_ block: SNIBlock, in view: inout HostView, of host: HostID) {
        view.leases[block.key] = nil
        view.remotes[block.key] = nil
        if let lease = state.book.lease(of: block), lease.isActive { put(lease, in: &view, of: host) }
    }

    private mutating func sendSnapshot(to host: HostID) {
        let view = view(of: host)
        let before = live.hosts[host]?.sent
        live.hosts[host]?.sent = view
        let operations = Self.difference(from: HostView(), to: view, removalEpoch: { _ in Epoch(0) })
        let withdraws = live.hosts[host]?.reach == .withdrawing
        send(
            StateUpdate(isSnapshot: true, baseRevision: 0, operations: operations, withdraw: withdraws), to: host)
        guard let revision = live.hosts[host]?.sentRevision else { return }
        if withdraws { live.hosts[host]?.withdrawnAt = revision }
        if view.endpoint != nil { live.switches[host] = revision }
        for departure in view.departures.values { awaitDeparture(of: departure.sni, from: host, at: revision) }
        for (sni, owed) in live.flips where owed[host] != nil || joins(host, flipOf: sni, view.remotes) {
            live.flips[sni]?[host] = revision
        }
        for fenced in live.fences.keys where fenced != host { live.fences[fenced]?[host] = revision }
        if before == nil || live.hosts[host]?.blindUntil != nil { live.hosts[host]?.blindUntil = revision }
        // Who had leases of its own before it heard of any route may carry the application already.
        if live.hosts[host]?.reach.takesPart ?? false {
            for remote in view.remotes.values where state.book.lease(of: remote.block)?.awaitsStaging ?? false {
                live.waits[remote.block.key, default: [:]][host] = revision
            }
        }
        // The snapshot says all that the host has missed, and what it carries no longer, of applications, too, that it just
        // lost sight of.
        let missed = (live.hosts[host]?.unacknowledged ?? []).map(\.block)
        let carried = before.map { Array($0.remotes.keys) + Array($0.leases.keys) } ?? []
        let lost = carried.filter { view.remotes[$0] == nil && view.leases[$0] == nil }
        let owed = Set(missed).union(lost).union(live.waits.filter { $0.value[host] != nil }.keys)
        live.hosts[host]?.unacknowledged = []
        live.hosts[host]?.removing = [:]
        for block in owed.sorted() {
            live.hosts[host]?.unacknowledged.append(.init(revision: revision, block: block))
            if live.waits[block]?[host] != nil { live.waits[block]?[host] = revision }
            if view.remotes[block] == nil, view.leases[block] == nil { live.hosts[host]?.removing[block] = revision }
        }
    }

    private mutating func tell(_ host: HostID, from old: HostView, to new: HostView) {
        let book = state.book
        let operations = Self.difference(from: old, to: new) { block in
            // A peer that only loses sight of the application may see the same grant again.
            guard let lease = book.lease(of: block) else { return book.epoch }
            return lease.isActive && lease.host != host ? lease.grantEpoch : lease.epoch
        }
        guard !operations.isEmpty else { return }
        let base = live.hosts[host]?.sentRevision ?? 0
        send(StateUpdate(isSnapshot: false, baseRevision: base, operations: operations), to: host)
        expectAcknowledgement(of: operations, from: host)
    }

    private mutating func send(_ update: StateUpdate, to host: HostID) {
        guard let stream = live.hosts[host]?.stream else { return }
        live.revision += 1
        live.hosts[host]?.sentRevision = live.revision
        turn.updates.append(.send(stream, position, .stateUpdate(update)))
    }

    /// Who comes to carry the application while a flip is under way is waited for as well: of what it is told, the route of the
    /// block may be in its kernel before that of the identifier.
    private func joins(_ host: HostID, flipOf sni: SessionNetworkID, _ remotes: [UInt32: RemoteBlock]) -> Bool {
        guard live.flips[sni] != nil, live.hosts[host]?.reach.takesPart ?? false,
            let remote = remotes[SNIBlock(single: sni).key]
        else { return false }
        return !remote.standby
    }

    private mutating func expectAcknowledgement(of operations: [StateOperation], from host: HostID) {
        guard let revision = live.hosts[host]?.sentRevision else { return }
        for operation in operations {
            let block: SNIBlock
            switch operation {
            case .setRemote(let remote):
                block = remote.block
                live.hosts[host]?.removing[block.key] = nil
                let isOwed = block.size == 1 && !remote.standby && live.flips[block.first]?[host] != nil
                if isOwed || joins(host, flipOf: block.first, [block.key: remote]) {
                    live.flips[block.first]?[host] = revision
                }
                if let lease = state.book.lease(of: block), lease.awaitsStaging {
                    live.waits[block.key, default: [:]][host] = revision
                }
            case .removeRemote(let removed, _), .removeLease(let removed, _):
                block = removed
                live.hosts[host]?.removing[block.key] = revision
                if live.waits[block.key]?[host] != nil { live.waits[block.key]?[host] = revision }
            case .dropEndpoint:
                for (fenced, owed) in live.fences where owed[host] != nil { live.fences[fenced]?[host] = revision }
                continue
            case .setDeparture(let departure):
                awaitDeparture(of: departure.sni, from: host, at: revision)
                // A source that leases nothing of the application any more is told of no route.
                if departure.phase == .flipped, live.flips[departure.sni]?[host] != nil {
                    live.flips[departure.sni]?[host] = revision
                }
                continue
            case .switchEndpoint:
                live.switches[host] = revision
                continue
            case .setScope, .removeScope, .setLease, .admitEndpoint, .removeDeparture: continue
            }
            live.hosts[host]?.unacknowledged.append(.init(revision: revision, block: block.key))
        }
    }

    /// Additions before removals, scopes around blocks: no moment in which a block has no pairs.
    static func difference(
        from old: HostView, to new: HostView, removalEpoch: (SNIBlock) -> Epoch
    ) -> [StateOperation] {
        // Before anything that could lead there, and after nothing does.
        var operations: [StateOperation] = new.dropped.subtracting(old.dropped).sorted().map { .dropEndpoint($0) }
        for (id, scope) in new.scopes.sorted(by: { $0.key < $1.key }) where old.scopes[id] != scope {
            operations.append(.setScope(scope))
        }
        for (first, remote) in new.remotes.sorted(by: { $0.key < $1.key }) where old.remotes[first] != remote {
            operations.append(.setRemote(remote))
        }
        for (first, lease) in new.leases.sorted(by: { $0.key < $1.key }) where old.leases[first] != lease {
            operations.append(.setLease(lease))
        }
        for (sni, departure) in new.departures.sorted(by: { $0.key < $1.key })
        where old.departures[sni] != departure { operations.append(.setDeparture(departure)) }
        // A block of another size may begin where one ends.
        for (first, lease) in old.leases.sorted(by: { $0.key < $1.key })
        where new.leases[first]?.block != lease.block {
            operations.append(.removeLease(lease.block, removalEpoch(lease.block)))
        }
        for (first, remote) in old.remotes.sorted(by: { $0.key < $1.key })
        where new.remotes[first]?.block != remote.block {
            operations.append(.removeRemote(remote.block, removalEpoch(remote.block)))
        }
        for id in old.scopes.keys.sorted() where new.scopes[id] == nil { operations.append(.removeScope(id)) }
        for (sni, departure) in old.departures.sorted(by: { $0.key < $1.key }) where new.departures[sni] == nil {
            operations.append(.removeDeparture(departure.sni, removalEpoch(SNIBlock(single: departure.sni))))
        }
        operations += old.dropped.subtracting(new.dropped).sorted().map { .admitEndpoint($0) }
        if let endpoint = new.endpoint, endpoint != old.endpoint { operations.append(.switchEndpoint(endpoint)) }
        return operations
    }
}

extension HostView {
    /// The part that the named changes can touch, so that comparing costs what changed and not what is known.
    func limited(to changes: (scopes: Set<ApplicationID>, blocks: [SNIBlock])) -> HostView {
        var part = HostView()
        for application in changes.scopes { part.scopes[application] = scopes[application] }
        for block in changes.blocks {
            part.leases[block.key] = leases[block.key]
            part.remotes[block.key] = remotes[block.key]
        }
        return part
    }
}

extension BlockLease {
    /// Hosts and peers carry it.
    var isActive: Bool { state == .leased || state == .staged || state == .marked }
    /// Not every reachable peer has acknowledged it yet.
    var awaitsStaging: Bool { state == .leased || state == .marked && !stagedBeforeMark }
}
