import Dataplane
import DequeModule
import FleetProtocol
import NetworkTypes

/// A launch (or the plugging of a later port) under way.
struct Launch: Sendable {
    enum Purpose: Hashable, Sendable {
        case attach
        /// The interface is bound; only its port is missing.
        case plug(PlugRequest)
    }
    enum Phase: Hashable, Sendable {
        /// For an identifier.
        case waiting
        case journalling
        case creating
        case applying
    }
    var purpose: Purpose
    var phase: Phase
    var request: AttachRequest
    var sni: SessionNetworkID?
    var startedAt: Instant
    var deadline: Instant
    /// Calls that want the answer.
    var waiters: [RequestID]
    /// Detaches that came meanwhile: the launch is undone at its next step.
    var detachers: [RequestID] = []
    /// A forced drain or a Detach ends it.
    var cancelled = false
    /// The interface was bound before this call: a failure doesn't unbind it.
    var wasBound = false
    /// A held identifier is bound again: a failure leaves it to its interface.
    var resumed = false
    var missed = false
}

/// A request to the coordinator for a block.
struct Ask: Hashable, Sendable {
    var request: UInt64
    var waiting: Int
}

extension AgentMachine {
    /// Why nothing may be bound now, or nil.
    func bindingStop(at now: Instant) -> AgentError? {
        if configuration.observesOnly {
            return .notGranted(reason: "this host only observes (mode: observe)")
        }
        if let journalFailure { return .journal(reason: journalFailure) }
        if durable.recovering { return .recovering }
        if let refusal = durable.refusal { return .notGranted(reason: "\(refusal.code): \(refusal.reason)") }
        guard let grant = durable.grant, isOurs(grant) else {
            return .notGranted(reason: "the coordinator has not confirmed this boot of the host yet")
        }
        if let lastContact, now - lastContact > grant.bindUntil {
            return .bindingsSuspended(silentFor: now - lastContact)
        }
        return nil
    }

    mutating func attach(
        _ wish: AttachRequest, for request: RequestID, at now: Instant, into effects: inout [AgentEffect]
    ) {
        if resume(wish, for: request, at: now, into: &effects) { return }
        // An answer that was given stays true, whatever stops new bindings.
        if let sni = durable.byInterface[wish.interface], let bound = durable.bindings[sni],
            launches[wish.interface]?.purpose != .attach
        {
            attachAgain(wish, bound, for: request, at: now, into: &effects)
            return
        }
        if var launch = launches[wish.interface] {
            if let difference = launch.request.difference(to: wish) {
                let error = AgentError.duplicateInterface(wish.interface, sni: launch.sni, difference: difference)
                effects.append(.reply(request, .failure(error)))
            } else {
                launch.waiters.append(request)
                launches[wish.interface] = launch
            }
            return
        }
        if let stop = bindingStop(at: now) ?? macConflict(wish) {
            counts.failed += 1
            effects.append(.reply(request, .failure(stop)))
            return
        }
        if let sni = releasing[wish.interface] {
            releases[sni]?.followers.append((request, wish))
            return
        }
        let deadline = now + (wish.timeout ?? configuration.attachTimeout)
        let launch = Launch(
            purpose: .attach, phase: .waiting, request: wish, startedAt: now, deadline: deadline, waiters: [request])
        if let sni = choice(for: wish, at: now) {
            launches[wish.interface] = launch
            bind(wish.interface, to: sni, servedFrom: nil, at: now, into: &effects)
        } else {
            wait(launch, at: now, into: &effects)
        }
    }

    /// Another VM's link address is refused: behind one switch or bridge inside the guest the two would not be told apart.
    private func macConflict(_ wish: AttachRequest) -> AgentError? {
        guard let mac = wish.mac else { return nil }
        func isOther(_ interface: VMInterface) -> Bool { interface.vm != wish.interface.vm }
        let bound = durable.bindings.values.first {
            $0.mac == mac && $0.binding.state != .cooling && isOther($0.binding.interface)
        }?.binding.interface
        let launched = launches.first { $0.value.request.mac == mac && isOther($0.key) }?.key
        return (bound ?? launched).map { .invalid(parameter: "mac", reason: "\(mac) is the address of \($0)") }
    }

    /// A second Attach of a bound interface: the same answer, after the port is made if it is missing.
    private mutating func attachAgain(
        _ wish: AttachRequest, _ bound: BoundInterface, for request: RequestID, at now: Instant,
        into effects: inout [AgentEffect]
    ) {
        let sni = bound.binding.sni
        if let difference = bound.asRequest.difference(to: wish, defaultMAC: .standard(for: sni)) {
            let error = AgentError.duplicateInterface(wish.interface, sni: sni, difference: difference)
            effects.append(.reply(request, .failure(error)))
            return
        }
        if journalFailure != nil, (durable.used[sni] ?? 0) > durableSequence {
            // In the books of this process and never on the disk: nobody was told of it, and nobody must be.
            effects.append(.reply(request, .failure(.journal(reason: journalFailure ?? ""))))
            return
        }
        if ports[sni] != nil || bound.port == .later {
            reply(to: [request], for: bound, into: &effects)
            return
        }
        guard journalFailure == nil else {
            effects.append(.reply(request, .failure(.journal(reason: journalFailure ?? ""))))
            return
        }
        var launch = Launch(
            purpose: .attach, phase: .creating, request: wish, sni: sni, startedAt: now, deadline: now,
            waiters: [request])
        launch.wasBound = true
        launches[wish.interface] = launch
        createPort(for: bound, into: &effects)
    }

    private mutating func wait(_ launch: Launch, at now: Instant, into effects: inout [AgentEffect]) {
        guard waitingUntil.count < configuration.waitingLaunchesMax else {
            counts.failed += 1
            let error = AgentError.tooManyWaiting(limit: configuration.waitingLaunchesMax)
            for request in launch.waiters { effects.append(.reply(request, .failure(error))) }
            return
        }
        var launch = launch
        // One that waits for its own identifier lacks no block.
        launch.missed = !isHeldUp(launch.request)
        let application = launch.request.application
        if launch.missed { windows[application, default: Window()].misses += 1 }
        launches[launch.request.interface] = launch
        waitingUntil[launch.request.interface] = launch.deadline
        waiting[application, default: []].append(launch.request.interface)
        ask(for: application, into: &effects)
    }

    /// One request per application at a time; more launches join it.
    private mutating func ask(for application: ApplicationID, into effects: inout [AgentEffect]) {
        let count = (waiting[application] ?? []).count { launches[$0].map { !isHeldUp($0.request) } ?? true }
        guard asks[application] == nil, count > 0 else { return }
        asks[application] = Ask(request: random.next(), waiting: count)
        sendAsk(application, into: &effects)
    }

    mutating func sendAsk(_ application: ApplicationID, into effects: inout [AgentEffect]) {
        guard streamGranted, let ask = asks[application] else { return }
        let waitingNow = max(1, waiting[application]?.count ?? 0)
        asks[application]?.waiting = waitingNow
        let request = LeaseRequest(request: ask.request, application: application, waiting: waitingNow)
        effects.append(.send(.leaseRequest(request)))
    }

    mutating func take(_ answer: LeaseAnswer, at now: Instant, into effects: inout [AgentEffect]) {
        guard let application = asks.first(where: { $0.value.request == answer.request })?.key else { return }
        asks[application] = nil
        switch answer.outcome {
        case .granted: serveWaiting(at: now, into: &effects)
        case .refused(let code, let detail):
            let error: AgentError
            switch code {
            case "unknown-application": error = .unknownApplication(application)
            case "deleting": error = .applicationDeleting(application)
            default: error = .noIdentifiers(code: code, detail: detail)
            }
            for interface in waiting[application] ?? [] { failLaunch(interface, with: error, into: &effects) }
        }
    }

    /// Serves waiting launches, oldest first. `fresh`: blocks that this very update brought.
    mutating func serveWaiting(
        fresh: Set<SNIBlock> = [], at now: Instant, into effects: inout [AgentEffect]
    ) {
        guard bindingStop(at: now) == nil else { return }
        for application in waiting.keys.sorted() {
            while let (interface, sni) = nextServed(of: application, at: now) {
                waiting[application]?.removeAll { $0 == interface }
                waitingUntil[interface] = nil
                let lease = durable.lease(of: sni)
                let isFresh = lease.map { fresh.contains($0.order.block) } ?? false
                let served: ServedFrom? = isFresh ? (lease?.order.fromReserved == true ? .reserved : .cold) : nil
                bind(interface, to: sni, servedFrom: served, at: now, into: &effects)
            }
            if waiting[application]?.isEmpty == true { waiting[application] = nil }
            ask(for: application, into: &effects)
        }
    }

    private mutating func bind(
        _ interface: VMInterface, to sni: SessionNetworkID, servedFrom: ServedFrom?, at now: Instant,
        into effects: inout [AgentEffect]
    ) {
        guard var launch = launches[interface], let lease = durable.lease(of: sni) else { return }
        let wish = launch.request
        launch.phase = .journalling
        launch.sni = sni
        launches[interface] = launch
        if launch.missed { windows[wish.application, default: Window()].waited += now - launch.startedAt }
        let binding = BindingRecord(
            sni: sni, interface: interface, application: wish.application, session: wish.session, state: .bound,
            servedFrom: servedFrom ?? (lease.order.staged ? .staged : .leased), epoch: lease.order.epoch)
        let bound = BoundInterface(binding: binding, mac: wish.mac ?? .standard(for: sni), port: wish.port)
        // Only what migrates here comes before its rest is over; the end of that rest must not end the binding.
        cooling[sni] = nil
        journal([.bound(bound)], into: &effects) { _ in .launch(interface) }
        arrive(wish.application)
        if lease.order.marked {
            refuseDrain(of: lease.order.block, reason: "a launch came first", into: &effects)
        }
    }

    mutating func launchJournaled(_ interface: VMInterface, at now: Instant, into effects: inout [AgentEffect]) {
        guard let launch = launches[interface], let sni = launch.sni, let bound = durable.bindings[sni] else { return }
        if launch.cancelled {
            undo(interface, because: .detachedMeanwhile(interface), at: now, into: &effects)
            return
        }
        switch launch.purpose {
        case .attach where bound.port == .later: finish(interface, into: &effects)
        case .attach: createPort(for: bound, into: &effects)
        case .plug(let plug):
            guard let port = port(of: sni) else { return }
            launches[interface]?.phase = .creating
            let move = PortMove(port: port, from: plug.port, namespace: plug.namespace, mtu: mtu)
            effects.append(.movePort(move, expect(.launchPort(interface))))
        }
    }

    private mutating func createPort(for bound: BoundInterface, into effects: inout [AgentEffect]) {
        let interface = bound.binding.interface
        guard let port = port(of: bound.binding.sni) else { return }
        launches[interface]?.phase = .creating
        effects.append(
            .createPort(PortOrder(port: port, kind: bound.port, mtu: mtu), expect(.launchPort(interface))))
    }

    mutating func portCreated(
        _ token: Token, _ result: Result<PortFacts, PortFailure>, at now: Instant, into effects: inout [AgentEffect]
    ) {
        guard case .launchPort(let interface)? = settle(token),
            let launch = launches[interface], let sni = launch.sni
        else { return }
        switch result {
        case .success(let facts):
            ports[sni] = facts.index
            if launch.cancelled {
                undo(interface, because: .detachedMeanwhile(interface), at: now, into: &effects)
                return
            }
            guard let port = port(of: sni) else { return }
            launches[interface]?.phase = .applying
            effects.append(.dataplane([.setPort(port)], expect(.launchDataplane(interface))))
        case .failure(let failure):
            undo(
                interface, because: launch.cancelled ? .detachedMeanwhile(interface) : .port(failure), at: now,
                into: &effects)
        }
    }

    mutating func launchApplied(
        _ interface: VMInterface, _ result: Result<Void, DataplaneFailure>, at now: Instant,
        into effects: inout [AgentEffect]
    ) {
        guard let launch = launches[interface] else { return }
        switch result {
        case _ where launch.cancelled:
            undo(interface, because: .detachedMeanwhile(interface), at: now, into: &effects)
        case .success: finish(interface, into: &effects)
        case .failure(let failure):
            undo(interface, because: .dataplane(reason: failure.reason), at: now, into: &effects)
        }
    }

    private mutating func finish(_ interface: VMInterface, into effects: inout [AgentEffect]) {
        guard let launch = launches.removeValue(forKey: interface), let sni = launch.sni,
            let bound = durable.bindings[sni]
        else { return }
        if launch.purpose == .attach, !launch.wasBound || launch.resumed, !isOnStandby(sni) {
            windows[bound.binding.application, default: Window()].launches += 1
            counts.count(bound.binding.servedFrom)
        }
        reply(to: launch.waiters, for: bound, into: &effects)
    }

    /// A launch that failed after its binding was journalled gives the identifier back the long way, through its
    /// cooldown. One that found its interface bound leaves it so.
    private mutating func undo(
        _ interface: VMInterface, because error: AgentError, at now: Instant, into effects: inout [AgentEffect]
    ) {
        guard let launch = launches.removeValue(forKey: interface), let sni = launch.sni else { return }
        counts.failed += 1
        let keeps = (launch.purpose != .attach || launch.wasBound) && !launch.cancelled
        for request in launch.waiters { effects.append(.reply(request, .failure(error))) }
        if !keeps { release(sni, for: launch.detachers, at: now, into: &effects) }
    }

    mutating func failLaunch(_ interface: VMInterface, with error: AgentError, into effects: inout [AgentEffect]) {
        guard let launch = launches.removeValue(forKey: interface) else { return }
        counts.failed += 1
        let application = launch.request.application
        waitingUntil[interface] = nil
        if let place = waiting[application]?.firstIndex(of: interface) { waiting[application]?.remove(at: place) }
        if waiting[application]?.isEmpty == true { waiting[application] = nil }
        for request in launch.waiters { effects.append(.reply(request, .failure(error))) }
    }

    mutating func expireLaunches(at now: Instant, into effects: inout [AgentEffect]) {
        for interface in waitingUntil.removeDue(at: now) {
            guard let launch = launches[interface] else { continue }
            windows[launch.request.application, default: Window()].waited += now - launch.startedAt
            let error = AgentError.timedOut(waited: now - launch.startedAt, connected: streamGranted)
            failLaunch(interface, with: error, into: &effects)
        }
    }
}
