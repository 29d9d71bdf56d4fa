import Dataplane
import FleetProtocol
import NetworkTypes

/// Held identifiers: a VM that stopped keeps its address until it starts again or its hold is over.
///
/// The interface is gone from the kernel; the identifier counts as in use, so its block is not drained. The hold is a
/// length of time: it starts anew with the process, and never ends early.
extension AgentMachine {
    mutating func keep(
        _ sni: SessionNetworkID, for hold: Duration, _ request: RequestID, at now: Instant,
        into effects: inout [AgentEffect]
    ) {
        guard hold > .zero else {
            let error = AgentError.invalid(parameter: "hold", reason: "must be longer than nothing")
            effects.append(.reply(request, .failure(error)))
            return
        }
        guard let bound = durable.bindings[sni], durable.lease(of: sni)?.isBindable ?? false,
            durable.departures[sni].map({ $0.phase == .preparing || $0.interface != bound.binding.interface }) ?? true
        else {
            // What is on its way out can't be kept.
            release(sni, for: [request], at: now, into: &effects)
            return
        }
        if bound.binding.state == .held {
            journal([.held(sni, hold)], into: &effects) { _ in .detached([request]) }
            if releases[sni] == nil { holds[sni] = now + hold } else { releases[sni]?.hold = hold }
            return
        }
        let interface = bound.binding.interface
        releases[sni] = Release(interface: interface, detachers: [request], hold: hold)
        releasing[interface] = sni
        journal([.held(sni, hold)], into: &effects) { _ in .release(sni) }
        leave(bound.binding.application)
        windows[bound.binding.application, default: Window()].stops += 1
        counts.stopped += 1
    }

    mutating func endHolds(at now: Instant, into effects: inout [AgentEffect]) {
        guard journalFailure == nil else { return }
        for sni in holds.removeDue(at: now) {
            guard let bound = durable.bindings[sni], bound.binding.state == .held else { continue }
            effects.append(.notice(.holdEnded(sni, bound.binding.interface)))
            release(sni, for: [], at: now, into: &effects)
        }
    }

    /// The process died while the port went, or later: it goes again, and the hold starts anew.
    mutating func resumeHold(
        _ sni: SessionNetworkID, _ bound: BoundInterface, at now: Instant, into effects: inout [AgentEffect]
    ) {
        releases[sni] = Release(
            interface: bound.binding.interface, phase: .clearing, detachers: [],
            hold: durable.holds[sni] ?? .seconds(1))
        releasing[bound.binding.interface] = sni
        clear(sni, at: now, into: &effects)
    }

    /// An attach of an interface whose identifier is held, or is just becoming so. False when it is neither.
    mutating func resume(
        _ wish: AttachRequest, for request: RequestID, at now: Instant, into effects: inout [AgentEffect]
    ) -> Bool {
        guard let sni = durable.byInterface[wish.interface], let bound = durable.bindings[sni],
            bound.binding.state == .held, launches[wish.interface] == nil
        else { return false }
        if releases[sni] != nil {
            releases[sni]?.followers.append((request, wish))
            return true
        }
        if let stop = bindingStop(at: now) {
            counts.failed += 1
            effects.append(.reply(request, .failure(stop)))
            return true
        }
        guard bound.binding.application == wish.application else {
            let error = AgentError.duplicateInterface(wish.interface, sni: sni, difference: "application")
            effects.append(.reply(request, .failure(error)))
            return true
        }
        guard let lease = durable.lease(of: sni), lease.isBindable else {
            release(sni, for: [], at: now, into: &effects)
            releases[sni]?.followers.append((request, wish))
            return true
        }
        holds[sni] = nil
        var launch = Launch(
            purpose: .attach, phase: .journalling, request: wish, sni: sni, startedAt: now, deadline: now,
            waiters: [request])
        launch.wasBound = true
        launch.resumed = true
        launches[wish.interface] = launch
        let binding = BindingRecord(
            sni: sni, interface: wish.interface, application: wish.application, session: wish.session, state: .bound,
            servedFrom: lease.order.staged ? .staged : .leased, epoch: lease.order.epoch)
        let again = BoundInterface(binding: binding, mac: wish.mac ?? bound.mac, port: wish.port)
        let interface = wish.interface
        journal([.bound(again)], into: &effects) { _ in .launch(interface) }
        arrive(wish.application)
        if lease.order.marked { refuseDrain(of: lease.order.block, reason: "a launch came first", into: &effects) }
        return true
    }
}
