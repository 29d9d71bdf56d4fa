import Dataplane
import FleetProtocol
import NetworkTypes

/// A host that is joined and may not bind, and one that gives up everything that it held before it was fenced.
extension AgentMachine {
    mutating func stop(
        _ grant: BootGrant, code: String, reason: String, at position: Position, now: Instant,
        into effects: inout [AgentEffect]
    ) {
        guard isOurs(grant) else {
            effects.append(.notice(.refused(code: "foreign-grant", reason: "the stop names \(grant.identity)")))
            effects.append(.reconnect(reason: "stop for another identity"))
            return
        }
        effects.append(.notice(.stopped(code: code, reason: reason)))
        failWaiting(because: reason, into: &effects)
        guard code != "journal-behind" else {
            // What its lost tail promised is not known: as good as no journal. The next hello says so.
            if !durable.recovering { journal([.recovering(true)], into: &effects) }
            effects.append(.reconnect(reason: reason))
            return
        }
        let heard = hearAnswer(at: now, into: &effects)
        let rest = restUnderRestoredBook(grant, at: position, now: now)
        journal(
            rest + [.stopped(durable.position, grant, contact: heard, code: code, reason: reason)], into: &effects
        ) { _ in .stopped(grant) }
    }

    mutating func failWaiting(because reason: String, into effects: inout [AgentEffect]) {
        for interface in launches.keys.sorted() where launches[interface]?.phase == .waiting {
            failLaunch(interface, with: .notGranted(reason: reason), into: &effects)
        }
    }

    /// Every VM loses its port, whatever the journal knows of it: its identifier is, or will be, somebody else's. The
    /// leases go with their last identifier, and only then the update is acknowledged.
    mutating func withdrawAll(at now: Instant, into effects: inout [AgentEffect]) {
        effects.append(.notice(.withdrawing(bindings: durable.byInterface.count, ports: unknownPorts.count)))
        for interface in launches.keys.sorted() where launches[interface]?.phase != .waiting {
            launches[interface]?.cancelled = true
        }
        for sni in durable.byInterface.values.sorted() {
            guard let interface = durable.bindings[sni]?.binding.interface, launches[interface] == nil else { continue }
            release(sni, for: [], at: now, into: &effects)
        }
        if durable.recovering {
            journal([.recovering(false)], into: &effects)
            if let grant = durable.grant { effects.append(.ensureOverlay(grant, deletes: .everything)) }
        }
        deleteUnknownPorts(into: &effects)
    }
}
