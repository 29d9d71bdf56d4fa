import AgentCore
import CoordinatorCore
import Dataplane
import FleetProtocol
import NetworkTypes
import SNISpace

/// The second half of a run: faults have ended, and within bounded time everything must be as it should (invariant 7).
extension World {
    /// Longest time that convergence may take, from the run's own times: a silent host is found, marks time out, blocks
    /// rest, reservations run out, one after the other.
    private var patience: Int64 {
        let times = plan.coordinator
        let sum =
            times.unreachableAfter + times.drainTimeout * 3 + times.quarantine * 2 + times.cooldown * 2
            + times.decisionInterval * 4
        return sum.inNanoseconds + 60 * Time.second + 2 * plan.clientPatience
    }

    mutating func beginLiveness() {
        trace("world", "phase", "liveness")
        phase = .liveness
        endAllFaults()
        phaseEndsAt = now + patience
        queue.put(.poll, 0, at: now + Time.second)
    }

    private mutating func beginClosing() {
        trace("world", "phase", "closing")
        phase = .closing
        phaseEndsAt = now + patience * 2 + plan.coordinator.reservationLifetime.inNanoseconds
        stopEverything()
        queue.put(.poll, 0, at: now + Time.second)
    }

    mutating func poll() {
        let missing = phase == .liveness ? unfinished() : leftOver()
        if missing == nil, phase == .liveness {
            if let wrong = secondApply() { return violate(7, wrong) }
            return beginClosing()
        }
        if missing == nil {
            trace("world", "phase", "done")
            phase = .done
            return
        }
        for host in 0..<plan.hosts { mend(host) }
        mendMigrations()
        if now >= phaseEndsAt { return violate(7, "not converged in time: \(missing ?? "")") }
        if phase == .closing, !slots.contains(where: { $0.phase != .idle }), !journeys.contains(where: { !$0.isOver }) {
            // Journals that were lost and found again may know VMs that were stopped in between.
            for host in hosts.indices where hosts[host].hasLostJournal { detachGone(on: host) }
            deleteEverything()
        }
        queue.put(.poll, 0, at: now + Time.second)
    }

    // MARK: What must be

    /// The first thing that has not come to rest, nil when everything has.
    private mutating func unfinished() -> String? {
        guard leader >= 0, processes[leader].isAlive else { return "no coordinator" }
        for host in hosts where host.original == nil {
            if let wrong = unfinished(host) { return wrong }
        }
        for slot in slots where slot.call != 0 { return "\(slot.interface) waits for an answer" }
        return unfinishedJourney() ?? unfinishedHold() ?? stateOfKernels()
    }

    private func unfinished(_ host: Host) -> String? {
        guard host.isUp, let agent = host.agent else { return "host \(host.name) has no agent" }
        if let id = agent.desired?.pending.min() { return "kernel of \(host.name) lacks \(id)" }
        if !agent.work.isEmpty || !agent.outcomes.isEmpty { return "agent of \(host.name) is busy" }
        let view = checks.views[host.index]
        if view.granted != agent.identity || view.isRefused { return "host \(host.name) has no grant" }
        if let endpoint = host.kernel.endpoint, endpoint != host.vtep { return "\(host.name) sends from \(endpoint)" }
        if let vtep = checks.echoes[host.index].told.min() { return "\(host.name) hears nothing of \(vtep)" }
        if view.isRecovering { return "host \(host.name) is recovering" }
        let contact = checks.contacts[host.index]
        if contact.identity != agent.identity || !contact.isOpen { return "host \(host.name) is not connected" }
        return nil
    }

    /// Desired, by the ledger, is actual, by the kernels: leases, routes and filters of every host.
    private func stateOfKernels() -> String? {
        let ledger = checks.ledger
        var byApplication: [ApplicationID: [Ledger.Lease]] = [:]
        for lease in ledger.leases.values {
            if lease.state == .marked || lease.state == .draining { return "\(lease.block) is \(lease.state)" }
            if lease.state == .leased { return "\(lease.block) is not staged" }
            if lease.state.isActive { byApplication[lease.application, default: []].append(lease) }
        }
        for host in hosts where host.original == nil {
            var locals: Set<SNIBlock> = []
            var remotes: [SNIBlock: IPAddress] = [:]
            var watched: Set<ApplicationID> = []
            for (id, leases) in byApplication where leases.contains(where: { $0.host == host.name }) {
                watched.formUnion(circle(of: id))
            }
            for id in watched {
                for lease in byApplication[id] ?? [] {
                    if lease.host == host.name {
                        locals.insert(lease.block)
                    } else {
                        remotes[lease.block] = hosts.first { $0.name == lease.host }?.vtep
                    }
                }
            }
            if let block = Set(host.kernel.locals.keys).symmetricDifference(locals).min() {
                return "\(host.name) and the book differ about the lease \(block)"
            }
            let routed = Set(host.kernel.remotes.keys).symmetricDifference(remotes.keys)
            if let block = routed.min() {
                return "\(host.name) \(remotes[block] == nil ? "still routes" : "does not route") \(block)"
            }
            if let block = remotes.keys.sorted().first(where: { host.kernel.remotes[$0]?.vtep != remotes[$0] }) {
                return "\(host.name) routes \(block) to the wrong host"
            }
            if let route = host.kernel.remotes.values.filter({ $0.former != nil }).min(by: { $0.block < $1.block }) {
                return "\(host.name) takes packets for \(route.block) from a former endpoint"
            }
            for id in host.kernel.scopes.keys where !watched.contains(id) { return "\(host.name) keeps scope \(id)" }
            for sni in host.kernel.links.keys where host.kernel.ports[sni] == nil {
                return "\(host.name) has port \(sni) without its elements"
            }
        }
        return nil
    }

    private func circle(of id: ApplicationID) -> [ApplicationID] {
        let policies = checks.ledger.policies
        return [id] + (policies[id]?.allowed ?? []).filter { policies[$0]?.allowed.contains(id) == true }
    }

    /// A second look finds nothing to write.
    private mutating func secondApply() -> String? {
        for host in hosts.indices where hosts[host].agent != nil {
            guard let left = hosts[host].agent?.desired?.differences(from: hosts[host].kernel).first else { continue }
            return "a second apply on host \(host) would write \(left)"
        }
        return nil
    }

    /// After everything was given back: nothing may be left, neither in the pool nor in any kernel.
    private mutating func leftOver() -> String? {
        guard leader >= 0, processes[leader].isAlive else { return "no coordinator" }
        for slot in slots where slot.phase != .idle { return "\(slot.interface) is not stopped" }
        if let journey = journeys.first(where: { !$0.isOver }) { return "\(journey.interface) is on its way" }
        if let sni = checks.ledger.migrations.keys.min() { return "\(sni) has not come home" }
        if let lease = checks.ledger.leases.keys.min() { return "\(lease) is still leased" }
        if checks.ledger.ownedTotal > 0 { return "\(checks.ledger.ownedTotal) identifiers are still owned" }
        for host in hosts where !host.kernel.isEmpty { return "the kernel of host \(host.index) is not empty" }
        return nil
    }
}
