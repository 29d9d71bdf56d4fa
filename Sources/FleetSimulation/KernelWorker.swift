import AgentCore
import Dataplane
import DequeModule
import FleetProtocol
import NetworkTypes

/// The agent's one writer to the kernel, and the reaper of ports beside it, as in the `Agent` module: merges what is
/// wanted, writes the difference some time later, and reports per call whether the kernel carries it.
extension World {
    mutating func putWork(_ work: KernelWork, on host: Int) {
        hosts[host].agent?.work.append(work)
        startWork(on: host)
    }

    private mutating func startWork(on host: Int) {
        guard let agent = hosts[host].agent, !agent.isWorking, !agent.work.isEmpty else { return }
        hosts[host].agent?.isWorking = true
        let time = hosts[host].writeTime
        queue.put(.kernelWork, host, ticket: agent.number, at: now + kernelDice.time(time / 2, time * 2))
    }

    mutating func kernelWorks(on host: Int) {
        hosts[host].agent?.isWorking = false
        guard let work = hosts[host].agent?.work.popFirst() else { return }
        switch work {
        case .apply(let changes, let token): apply(changes, token, on: host)
        case .ensureOverlay(let deletes): ensureOverlay(deletes: deletes, on: host)
        case .createPort(let order, let token): createPort(order.port, token, on: host)
        case .movePort(let move, let token): createPort(move.port, token, on: host)
        case .resync: resync(on: host)
        }
        startWork(on: host)
    }

    private mutating func apply(_ changes: [DataplaneChange], _ token: Token, on host: Int) {
        guard hosts[host].agent?.desired != nil else {
            hosts[host].agent?.early += changes
            let failure = DataplaneFailure(reason: "the overlay is not up")
            return putOutcome(.dataplaneApplied(token, .failure(failure)), on: host)
        }
        var entries: [KernelEntry] = []
        for change in changes {
            if let entry = hosts[host].agent?.desired?.merge(change) { entries.append(entry) }
        }
        converge(entries, on: host)
        let pending = hosts[host].agent?.desired?.pending ?? []
        let missing = changes.isEmpty ? pending.min() : entries.first { pending.contains($0) }
        if let missing {
            probes.hit(.dataplanePending)
            let failure = DataplaneFailure(reason: "\(missing) refused")
            return putOutcome(.dataplaneApplied(token, .failure(failure)), on: host)
        }
        putOutcome(.dataplaneApplied(token, .success(())), on: host)
    }

    private mutating func ensureOverlay(deletes: DeletionScope, on host: Int) {
        guard hosts[host].agent?.desired == nil else {
            hosts[host].agent?.desired?.deletes = deletes
            hosts[host].agent?.desired?.needsComparison = true
            return resync(on: host)
        }
        hosts[host].agent?.desired = DesiredState(deletes: deletes)
        if hosts[host].kernel.endpoint == nil { hosts[host].kernel.endpoint = hosts[host].vtep }
        let early = hosts[host].agent?.early ?? []
        hosts[host].agent?.early = []
        guard !early.isEmpty else { return }
        var entries: [KernelEntry] = []
        for change in early {
            if let entry = hosts[host].agent?.desired?.merge(change) { entries.append(entry) }
        }
        converge(entries, on: host)
    }

    /// Compares with the kernel and repairs. Writes nothing when both agree.
    mutating func resync(on host: Int) {
        guard hosts[host].agent?.desired != nil else { return }
        hosts[host].agent?.desired?.needsComparison = true
        converge([], on: host)
        let kernel = hosts[host].kernel
        let pending = hosts[host].agent?.desired?.pending ?? []
        putOutcome(
            .hostReport(
                HostReport(
                    routes: kernel.remotes.count * 2, nexthops: kernel.remotes.count, nftElements: kernel.ports.count,
                    kernelWrites: kernel.writes, pending: pending.sorted().map(\.description))), on: host)
    }

    private mutating func converge(_ entries: [KernelEntry], on host: Int) {
        guard let desired = hosts[host].agent?.desired else { return }
        var left = entries
        if desired.needsComparison {
            hosts[host].agent?.desired?.needsComparison = false
            if desired.deletes == .everything { checks.blind.remove(host) }
            let all = desired.differences(from: hosts[host].kernel)
            if all.contains(where: { !desired.wants($0) }) { probes.hit(.kernelEntriesRemovedAtStart) }
            left = all
        } else if !desired.pending.isEmpty {
            left = Array(desired.pending.union(entries)).sorted()
        }
        hosts[host].agent?.desired?.pending = []
        let refusal = hosts[host].refusal
        for entry in left {
            if refusal > 0, kernelDice.chance(refusal) {
                probes.hit(.kernelFailed)
                hosts[host].agent?.desired?.pending.insert(entry)
            } else {
                write(entry, on: host)
            }
        }
    }

    /// One entry becomes what is wanted of it.
    private mutating func write(_ entry: KernelEntry, on host: Int) {
        guard let desired = hosts[host].agent?.desired else { return }
        switch entry {
        case .local(let block):
            guard hosts[host].kernel.locals[block] != desired.locals[block] else { return }
            hosts[host].kernel.locals[block] = desired.locals[block]
        case .remote(let block):
            guard hosts[host].kernel.remotes[block] != desired.remotes[block] else { return }
            let heard = hosts.indices.filter { hosts[host].kernel.knows(hosts[$0].sender) }
            let before = hosts[host].kernel.remotes[block]
            hosts[host].kernel.remotes[block] = desired.remotes[block]
            checkStillHeard(heard, before, by: host, in: block)
        case .scope(let id):
            guard hosts[host].kernel.scopes[id] != desired.scopes[id] else { return }
            hosts[host].kernel.scopes[id] = desired.scopes[id]
        case .port(let sni):
            guard hosts[host].kernel.ports[sni] != desired.ports[sni] else { return }
            hosts[host].kernel.ports[sni] = desired.ports[sni]
        case .forward(let sni):
            guard hosts[host].kernel.forwards[sni] != desired.forwards[sni] else { return }
            hosts[host].kernel.forwards[sni] = desired.forwards[sni]
        case .endpoint:
            guard let endpoint = desired.endpoint, hosts[host].kernel.endpoint != endpoint else { return }
            probes.hit(.endpointSwitched)
            switchEndpoint(of: host, to: endpoint)
        }
        hosts[host].kernel.writes += 1
        trace("h\(host)", "kernel", "\(entry)")
        kernelChanged(entry, on: host)
    }

    // MARK: Ports

    private mutating func createPort(_ port: Port, _ token: Token, on host: Int) {
        let sni = port.sni.rawValue
        if hosts[host].refusal > 0, kernelDice.chance(hosts[host].refusal) {
            probes.hit(.portFailed)
            return putOutcome(.portCreated(token, .failure(.failed("refused"))), on: host)
        }
        guard hosts[host].agent?.desired != nil else {
            return putOutcome(.portCreated(token, .failure(.failed("the overlay is not up"))), on: host)
        }
        guard hosts[host].kernel.links[sni] == nil else {
            return putOutcome(.portCreated(token, .failure(.nameTaken(port.name))), on: host)
        }
        hosts[host].kernel.lastIndex += 1
        let index = hosts[host].kernel.lastIndex
        hosts[host].kernel.links[sni] = Link(
            index: index, interface: port.interface, application: port.application, mac: port.mac)
        hosts[host].kernel.writes += 1
        trace("h\(host)", "port", "\(port.name) for \(port.interface)")
        kernelChanged(.port(sni), on: host)
        putOutcome(.portCreated(token, .success(PortFacts(index: index))), on: host)
    }

    mutating func startRemoving(on host: Int) {
        guard let agent = hosts[host].agent, !agent.isRemoving, !agent.removals.isEmpty else { return }
        hosts[host].agent?.isRemoving = true
        let time = hosts[host].writeTime * 4
        queue.put(.reaper, host, ticket: agent.number, at: now + kernelDice.time(time / 2, time * 2))
    }

    mutating func reap(on host: Int) {
        hosts[host].agent?.isRemoving = false
        guard let (removal, token) = hosts[host].agent?.removals.popFirst() else { return }
        defer { startRemoving(on: host) }
        let sni = removal.sni.rawValue
        if let expected = removal.interface, let link = hosts[host].kernel.links[sni], link.interface != expected {
            let failure = PortFailure.belongsToAnother(port: removal.name, owner: link.interface.description)
            return putOutcome(.portDeleted(token, .failure(failure)), on: host)
        }
        if hosts[host].refusal > 0, kernelDice.chance(hosts[host].refusal) {
            probes.hit(.portFailed)
            return putOutcome(.portDeleted(token, .failure(.failed("refused"))), on: host)
        }
        if hosts[host].kernel.links.removeValue(forKey: sni) != nil {
            hosts[host].kernel.writes += 1
            trace("h\(host)", "port gone", removal.name)
            kernelChanged(.port(sni), on: host)
        }
        putOutcome(.portDeleted(token, .success(())), on: host)
    }

    mutating func audit(on host: Int) {
        putWork(.resync, on: host)
        guard let number = hosts[host].agent?.number else { return }
        queue.put(.audit, host, ticket: number, at: now + plan.auditInterval)
    }
}
