public import ControlAPI
public import FleetProtocol
public import NetworkTypes
import SwiftProtobuf

extension Outrider_V1_CoordinatorMessage {
    /// The message form of what the coordinator says.
    public init(_ message: CoordinatorMessage, at position: Position) {
        self.init()
        self.position = Outrider_V1_Position(position)
        switch message {
        case .bootGrant(let grant): bootGrant = Outrider_V1_BootGrant(grant)
        case .bootRefusal(let code, let reason):
            bootRefusal = Outrider_V1_BootRefusal.with {
                $0.code = code
                $0.reason = reason
            }
        case .stateUpdate(let update):
            stateUpdate = Outrider_V1_StateUpdate.with {
                $0.snapshot = update.isSnapshot
                $0.baseRevision = update.baseRevision
                $0.operations = update.operations.map(Outrider_V1_StateOperation.init)
                $0.withdraw = update.withdraw
            }
        case .bindingStop(let settings, let code, let reason):
            bindingStop = Outrider_V1_BindingStop.with {
                $0.settings = Outrider_V1_BootGrant(settings)
                $0.code = code
                $0.reason = reason
            }
        case .leaseAnswer(let answer): leaseAnswer = Outrider_V1_LeaseAnswer(answer)
        case .reportAck(let journal, let aggregates):
            reportAck = Outrider_V1_ReportAck.with {
                $0.journalSequence = journal
                $0.aggregateSequence = aggregates
            }
        }
    }

    /// What is said; its position is `position.value`.
    public func value() throws(MappingError) -> CoordinatorMessage {
        switch body {
        case .bootGrant(let grant): return .bootGrant(try grant.value())
        case .bootRefusal(let refusal): return .bootRefusal(code: refusal.code, reason: refusal.reason)
        case .bindingStop(let stop):
            return .bindingStop(try stop.settings.value(), code: stop.code, reason: stop.reason)
        case .stateUpdate(let update):
            var operations: [StateOperation] = []
            for operation in update.operations { operations.append(try operation.value()) }
            return .stateUpdate(
                StateUpdate(
                    isSnapshot: update.snapshot, baseRevision: update.baseRevision, operations: operations,
                    withdraw: update.withdraw))
        case .leaseAnswer(let answer): return .leaseAnswer(try answer.value())
        case .reportAck(let ack):
            return .reportAck(journalSequence: ack.journalSequence, aggregateSequence: ack.aggregateSequence)
        case nil: throw MappingError(field: "body", detail: "missing, or of a newer version than this agent")
        }
    }
}

extension Outrider_V1_BootGrant {
    init(_ grant: BootGrant) {
        self.init()
        host = grant.identity.host.name
        incarnation = grant.identity.incarnation.description
        bootID = grant.identity.boot.description
        bindUntilMs = milliseconds(grant.bindUntil)
        overlayIpv4 = grant.overlay.ipv4.description
        overlayIpv6 = grant.overlay.ipv6.description
        overlayMtu = UInt32(grant.overlayMTU)
        vxlanPort = UInt32(grant.vxlanPort)
        cooldownMs = milliseconds(grant.cooldown)
        aggregateIntervalMs = milliseconds(grant.aggregateInterval)
    }
    func value() throws(MappingError) -> BootGrant {
        let ipv4: IPPrefix = try parse(overlayIpv4, "boot_grant.overlay_ipv4")
        let ipv6: IPPrefix = try parse(overlayIpv6, "boot_grant.overlay_ipv6")
        guard let overlay = OverlayPlan(ipv4: ipv4, ipv6: ipv6) else {
            throw MappingError(field: "boot_grant.overlay_ipv4", detail: "\(ipv4) and \(ipv6) are not an overlay plan")
        }
        guard let port = UInt16(exactly: vxlanPort), port > 0 else {
            throw MappingError(field: "boot_grant.vxlan_port", detail: "\(vxlanPort) is not a UDP port")
        }
        let identity = AgentIdentity(
            host: try parse(host, "boot_grant.host"), incarnation: try parse(incarnation, "boot_grant.incarnation"),
            boot: try parse(bootID, "boot_grant.boot_id"))
        return BootGrant(
            identity: identity, bindUntil: duration(milliseconds: bindUntilMs), overlay: overlay,
            overlayMTU: Int(overlayMtu), vxlanPort: port, cooldown: duration(milliseconds: cooldownMs),
            aggregateInterval: duration(milliseconds: aggregateIntervalMs))
    }
}

extension Outrider_V1_StateOperation {
    init(_ operation: StateOperation) {
        self.init()
        switch operation {
        case .setScope(let scope):
            scopeSet = Outrider_V1_ScopeSet.with {
                $0.application = scope.application.description
                $0.name = scope.name
                $0.ranges = scope.ranges.map(Outrider_V1_Range.init)
                $0.allowedApplications = scope.allowed.map(\.description)
                $0.priority = Outrider_V1_PriorityClass(scope.priority)
            }
        case .removeScope(let application):
            scopeRemoved = Outrider_V1_ScopeRemoved.with { $0.application = application.description }
        case .setLease(let order):
            leaseSet = Outrider_V1_LeaseSet.with {
                $0.block = Outrider_V1_Block(order.block)
                $0.application = order.application.description
                $0.epoch = order.epoch.rawValue
                $0.staged = order.staged
                $0.marked = order.marked
                $0.force = order.force
                $0.fromReserved = order.fromReserved
                $0.incoming = order.incoming?.description ?? ""
            }
        case .removeLease(let block, let epoch):
            leaseRemoved = Outrider_V1_LeaseRemoved.with {
                $0.block = Outrider_V1_Block(block)
                $0.epoch = epoch.rawValue
            }
        case .setRemote(let remote):
            remoteSet = Outrider_V1_RemoteSet.with {
                $0.block = Outrider_V1_Block(remote.block)
                $0.application = remote.application.description
                $0.epoch = remote.epoch.rawValue
                $0.host = remote.host.name
                $0.vtep = remote.vtep.description
                $0.standby = remote.standby
                $0.formerVtep = remote.former?.description ?? ""
            }
        case .removeRemote(let block, let epoch):
            remoteRemoved = Outrider_V1_RemoteRemoved.with {
                $0.block = Outrider_V1_Block(block)
                $0.epoch = epoch.rawValue
            }
        case .dropEndpoint(let vtep):
            endpointDropped = Outrider_V1_EndpointDropped.with { $0.vtep = vtep.description }
        case .admitEndpoint(let vtep):
            endpointAdmitted = Outrider_V1_EndpointAdmitted.with { $0.vtep = vtep.description }
        case .switchEndpoint(let vtep):
            endpointSwitched = Outrider_V1_EndpointSwitched.with { $0.vtep = vtep.description }
        case .setDeparture(let departure): departureSet = Outrider_V1_DepartureSet(departure)
        case .removeDeparture(let sni, let epoch):
            departureRemoved = Outrider_V1_DepartureRemoved.with {
                $0.sni = sni.rawValue
                $0.epoch = epoch.rawValue
            }
        }
    }

    func value() throws(MappingError) -> StateOperation {
        switch operation {
        case .scopeSet(let scope): return .setScope(try scope.value())
        case .scopeRemoved(let scope): return .removeScope(try parse(scope.application, "scope_removed.application"))
        case .leaseSet(let lease): return .setLease(try lease.value())
        case .leaseRemoved(let lease):
            return .removeLease(try lease.block.value("lease_removed.block"), Epoch(lease.epoch))
        case .remoteSet(let remote):
            return .setRemote(
                RemoteBlock(
                    block: try remote.block.value("remote_set.block"),
                    application: try parse(remote.application, "remote_set.application"), epoch: Epoch(remote.epoch),
                    host: try parse(remote.host, "remote_set.host"), vtep: try parse(remote.vtep, "remote_set.vtep"),
                    standby: remote.standby,
                    former: remote.formerVtep.isEmpty ? nil : try parse(remote.formerVtep, "remote_set.former_vtep")))
        case .remoteRemoved(let remote):
            return .removeRemote(try remote.block.value("remote_removed.block"), Epoch(remote.epoch))
        case .endpointDropped(let endpoint): return .dropEndpoint(try parse(endpoint.vtep, "endpoint_dropped.vtep"))
        case .endpointAdmitted(let endpoint):
            return .admitEndpoint(try parse(endpoint.vtep, "endpoint_admitted.vtep"))
        case .endpointSwitched(let endpoint):
            return .switchEndpoint(try parse(endpoint.vtep, "endpoint_switched.vtep"))
        case .departureSet(let departure): return .setDeparture(try departure.value())
        case .departureRemoved(let departure):
            return .removeDeparture(try parseSNI(departure.sni, "departure_removed.sni"), Epoch(departure.epoch))
        case nil: throw MappingError(field: "operation", detail: "missing, or of a newer version")
        }
    }
}

extension Outrider_V1_LeaseSet {
    func value() throws(MappingError) -> LeaseOrder {
        LeaseOrder(
            block: try block.value("lease_set.block"), application: try parse(application, "lease_set.application"),
            epoch: Epoch(epoch), staged: staged, marked: marked, force: force, fromReserved: fromReserved,
            incoming: incoming.isEmpty ? nil : try parseInterface(incoming, "lease_set.incoming"))
    }
}

extension Outrider_V1_DepartureSet {
    init(_ departure: Departure) {
        self.init()
        sni = departure.sni.rawValue
        vm = departure.interface.vm
        nic = UInt32(departure.interface.nic)
        epoch = departure.epoch.rawValue
        destination = departure.destination.name
        phase = Outrider_V1_MigrationPhase(departure.phase)
    }
    func value() throws(MappingError) -> Departure {
        guard let interface = VMInterface(vm: vm, nic: Int(nic)) else {
            throw MappingError(field: "departure_set.vm", detail: "'\(vm)'/\(nic) is not a valid VM interface")
        }
        return Departure(
            sni: try parseSNI(sni, "departure_set.sni"), interface: interface, epoch: Epoch(epoch),
            destination: try parse(destination, "departure_set.destination"),
            phase: try phase.value("departure_set.phase"))
    }
}

extension Outrider_V1_ScopeSet {
    func value() throws(MappingError) -> ScopeState {
        var ranges: [SNIRange] = []
        for range in self.ranges { ranges.append(try range.value("scope_set.ranges")) }
        var allowed: [ApplicationID] = []
        for text in allowedApplications { allowed.append(try parse(text, "scope_set.allowed_applications")) }
        return ScopeState(
            application: try parse(application, "scope_set.application"), name: name, ranges: ranges, allowed: allowed,
            priority: try priority.value("scope_set.priority"))
    }
}

extension Outrider_V1_LeaseAnswer {
    init(_ answer: LeaseAnswer) {
        self.init()
        request = answer.request
        switch answer.outcome {
        case .granted(let granted): block = Outrider_V1_Block(granted)
        case .refused(let code, let words):
            refusal = code
            detail = words
        }
    }
    func value() throws(MappingError) -> LeaseAnswer {
        if hasBlock { return LeaseAnswer(request: request, outcome: .granted(try block.value("lease_answer.block"))) }
        return LeaseAnswer(request: request, outcome: .refused(code: refusal, detail: detail))
    }
}
