import Dataplane
import FleetProtocol
@_spi(Simulation) import NetworkTypes

/// An identifier on its way back: port out of the kernel, then the cooldown.
struct Release: Sendable {
    enum Phase: Hashable, Sendable {
        case journalling
        case clearing
        case deleting
    }
    var interface: VMInterface
    var phase: Phase = .journalling
    /// Calls that want to know; answered after the first attempt, since a removal must not fail for its caller.
    var detachers: [RequestID]
    /// Launches of the same interface that came meanwhile.
    var followers: [(RequestID, AttachRequest)] = []
    /// The identifier stays with its interface this long, once the port is gone; nil gives it back.
    var hold: Duration?
}

extension AgentMachine {
    mutating func detach(
        _ interface: VMInterface, hold: Duration? = nil, for request: RequestID, at now: Instant,
        into effects: inout [AgentEffect]
    ) {
        if let journalFailure {
            effects.append(.reply(request, .failure(.journal(reason: journalFailure))))
            return
        }
        if let launch = launches[interface] {
            if launch.phase == .waiting {
                failLaunch(interface, with: .detachedMeanwhile(interface), into: &effects)
                effects.append(.reply(request, .success(.detached)))
            } else {
                launches[interface]?.cancelled = true
                launches[interface]?.detachers.append(request)
            }
            return
        }
        if hold.map({ $0 > .zero }) ?? true { endFollowers(of: interface, into: &effects) }
        if let hold, let sni = durable.byInterface[interface] {
            keep(sni, for: hold, request, at: now, into: &effects)
        } else if let sni = durable.byInterface[interface] {
            release(sni, for: [request], at: now, into: &effects)
        } else if let sni = releasing[interface], releases[sni]?.phase == .journalling || !isEndPending(of: interface) {
            releases[sni]?.detachers.append(request)
        } else if isEndPending(of: interface) {
            // Said before, by a call that waits for its record; so does this one.
            journal([.reported(journalSequence: durable.reported)], into: &effects) { _ in .detached([request]) }
        } else {
            if let port = unknownPorts.values.filter({ $0.interface == interface }).min(by: { $0.sni < $1.sni }) {
                deleteUnknown(port, into: &effects)
            }
            effects.append(.reply(request, .success(.detached)))
        }
    }

    /// Something of the interface is written down and not durable yet.
    private func isEndPending(of interface: VMInterface) -> Bool {
        durable.unreported.reversed().prefix { $0.sequence > durableSequence }
            .contains { $0.binding.interface == interface }
    }

    /// A launch that waits for the port of an earlier one to go is over, too.
    private mutating func endFollowers(of interface: VMInterface, into effects: inout [AgentEffect]) {
        // After a restart an identifier that it had before may be on its way out beside the one that it has.
        for sni in Set([releasing[interface], durable.byInterface[interface]].compactMap(\.self)).sorted() {
            for (follower, _) in releases[sni]?.followers ?? [] {
                effects.append(.reply(follower, .failure(.detachedMeanwhile(interface))))
            }
            releases[sni]?.followers = []
        }
    }

    mutating func release(
        _ sni: SessionNetworkID, for detachers: [RequestID], at now: Instant, into effects: inout [AgentEffect]
    ) {
        guard let bound = durable.bindings[sni], releases[sni] == nil || releases[sni]?.hold != nil else {
            for request in detachers { effects.append(.reply(request, .success(.detached))) }
            return
        }
        let interface = bound.binding.interface
        holds[sni] = nil
        if releases[sni] != nil {
            // Its port is going already; only what follows changes.
            releases[sni]?.hold = nil
            journal([.unbound(sni)], into: &effects) { _ in .detached(detachers) }
            return
        }
        releases[sni] = Release(interface: interface, detachers: detachers)
        releasing[interface] = sni
        journal([.unbound(sni)], into: &effects) { _ in .release(sni) }
        guard bound.binding.state == .bound else { return }
        leave(bound.binding.application)
        windows[bound.binding.application, default: Window()].stops += 1
        counts.stopped += 1
    }

    /// Takes the port out of the data plane, as soon as there is one.
    mutating func clear(_ sni: SessionNetworkID, at now: Instant, into effects: inout [AgentEffect]) {
        releases[sni]?.phase = .clearing
        if desireSent {
            effects.append(.dataplane([.removePort(sni)], expect(.releaseDataplane(sni))))
        } else {
            retry(sni, at: now)
            answer(sni, into: &effects)
        }
    }

    private mutating func retry(_ sni: SessionNetworkID, at instant: Instant) {
        if releases[sni] != nil { retries[sni] = instant }
    }

    mutating func releaseApplied(
        _ sni: SessionNetworkID, _ result: Result<Void, DataplaneFailure>, at now: Instant,
        into effects: inout [AgentEffect]
    ) {
        guard let release = releases[sni] else { return }
        switch result {
        case .failure:
            // The port stays while the kernel still lets it speak: its anti-spoof entry goes with it.
            retry(sni, at: now + Self.retryInterval)
            releases[sni]?.phase = .clearing
            answer(sni, into: &effects)
        case .success:
            releases[sni]?.phase = .deleting
            guard durable.bindings[sni].map({ $0.port != .later || $0.plugged }) ?? false else {
                cool(sni, at: now, into: &effects)
                return
            }
            let removal = PortRemoval(sni: sni, interface: release.interface)
            effects.append(.deletePort(removal, expect(.releasePort(sni))))
        }
    }

    mutating func portDeleted(
        _ token: Token, _ result: Result<Void, PortFailure>, at now: Instant, into effects: inout [AgentEffect]
    ) {
        let what = settle(token)
        if case .unknownPort(let sni)? = what {
            // Somebody spoke from it until now: it rests like any other.
            if case .failure(let failure) = result, doomed[sni] != nil {
                effects.append(.notice(.portLeft(sni, failure)))
                doomed[sni] = now + Self.retryInterval
                return
            }
            doomed[sni] = nil
            if unknownPorts.removeValue(forKey: sni) != nil { cooling[sni] = now + cooldown }
            refresh(sni)
            if withdrawing { acknowledge(into: &effects) }
            serveWaiting(at: now, into: &effects)
            return
        }
        guard case .releasePort(let sni)? = what, releases[sni] != nil else { return }
        switch result {
        case .success: cool(sni, at: now, into: &effects)
        case .failure(let failure):
            effects.append(.notice(.portLeft(sni, failure)))
            retry(sni, at: now + Self.retryInterval)
            answer(sni, into: &effects)
        }
    }

    mutating func answer(_ sni: SessionNetworkID, into effects: inout [AgentEffect]) {
        for request in releases[sni]?.detachers ?? [] { effects.append(.reply(request, .success(.detached))) }
        releases[sni]?.detachers = []
    }

    private mutating func cool(_ sni: SessionNetworkID, at now: Instant, into effects: inout [AgentEffect]) {
        answer(sni, into: &effects)
        guard let release = releases.removeValue(forKey: sni) else { return }
        retries[sni] = nil
        if releasing[release.interface] == sni { releasing[release.interface] = nil }
        ports[sni] = nil
        unknownPorts[sni] = nil
        let rest = planted.contains(.skipCooldown) ? .zero : cooldown
        if let hold = release.hold { holds[sni] = now + hold } else { cooling[sni] = now + rest }
        refresh(sni)
        for (request, wish) in release.followers { attach(wish, for: request, at: now, into: &effects) }
    }

    var cooldown: Duration { durable.grant?.cooldown ?? .seconds(60) }

    mutating func retryReleases(at now: Instant, into effects: inout [AgentEffect]) {
        guard journalFailure == nil, desireSent else { return }
        for sni in retries.removeDue(at: now) {
            guard let release = releases[sni] else { continue }
            if release.phase == .deleting {
                let removal = PortRemoval(sni: sni, interface: release.interface)
                effects.append(.deletePort(removal, expect(.releasePort(sni))))
            } else {
                clear(sni, at: now, into: &effects)
            }
        }
    }

    /// A port without a record that is to go; `nil` while an attempt is under way.
    mutating func deleteUnknown(_ port: AdoptedPort, into effects: inout [AgentEffect]) {
        doomed[port.sni] = .some(nil)
        // Its rest has no record of its own. While recovering, all that was in use is such.
        guard durable.recovering || durable.resting else {
            journal([.resting(true)], into: &effects) { _ in .removal(port) }
            return
        }
        remove(port, into: &effects)
    }

    mutating func remove(_ port: AdoptedPort, into effects: inout [AgentEffect]) {
        let removal = PortRemoval(sni: port.sni, interface: port.interface)
        effects.append(.deletePort(removal, expect(.unknownPort(port.sni))))
    }

    /// Everything that was in use without a record has rested.
    mutating func endResting(into effects: inout [AgentEffect]) {
        guard durable.resting, !durable.recovering, journalFailure == nil, holdUntil == nil, doomed.isEmpty,
            !cooling.keys.contains(where: { durable.bindings[$0] == nil })
        else { return }
        journal([.resting(false)], into: &effects)
    }

    mutating func retryUnknown(at now: Instant, into effects: inout [AgentEffect]) {
        for (sni, at) in doomed.sorted(by: { $0.key < $1.key }) {
            guard let at, at <= now, let port = unknownPorts[sni], durable.bindings[sni] == nil else { continue }
            deleteUnknown(port, into: &effects)
        }
    }

    mutating func endCooling(at now: Instant, into effects: inout [AgentEffect]) {
        guard journalFailure == nil else { return }
        let due = cooling.removeDue(at: now)
        guard !due.isEmpty else { return }
        let blocks = Set(due.compactMap { durable.lease(of: $0)?.order.block })
        for sni in due { refresh(sni) }
        let tells = withdrawing
        // An orphaned lease goes with its last identifier, and only then may anything be acknowledged again.
        journal(due.map { .ended($0) }, into: &effects) {
            $0.changes.isEmpty && !tells ? .nothing : .update(.zero, $0)
        }
        serveWaiting(at: now, into: &effects)
        for block in blocks.sorted() { evaluateDrain(of: block, isOrder: false, at: now, into: &effects) }
    }
}
