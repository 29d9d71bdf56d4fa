public import ControlAPI
public import FleetProtocol
import NetworkTypes
import SwiftProtobuf

extension Outrider_V1_AgentMessage {
    /// The message form of what an agent says.
    public init(_ message: AgentMessage, from identity: AgentIdentity, sequence: UInt64) {
        self.init()
        host = identity.host.name
        incarnation = identity.incarnation.description
        bootID = identity.boot.description
        self.sequence = sequence
        switch message {
        case .hello(let value): hello = Outrider_V1_Hello(value)
        case .stateAck(let position):
            stateAck = Outrider_V1_StateAck.with { $0.position = Outrider_V1_Position(position) }
        case .leaseRequest(let value):
            leaseRequest = Outrider_V1_LeaseRequest.with {
                $0.request = value.request
                $0.application = value.application.description
                $0.waiting = UInt32(value.waiting)
            }
        case .drainAnswer(let value): drainAnswer = Outrider_V1_DrainAnswer(value)
        case .bindingReport(let value):
            bindingReport = Outrider_V1_BindingReport.with {
                $0.journalSequence = value.journalSequence
                $0.events = value.events.map(Outrider_V1_BindingRecord.init)
            }
        case .aggregates(let value): aggregates = Outrider_V1_Aggregates(value)
        case .hostReport(let value): hostReport = Outrider_V1_HostReport(value)
        case .arrived(let sni, let epoch):
            arrival = Outrider_V1_Arrival.with {
                $0.sni = sni.rawValue
                $0.epoch = epoch.rawValue
            }
        }
    }

    /// Who speaks.
    public func identity() throws(MappingError) -> AgentIdentity {
        AgentIdentity(
            host: try parse(host, "host"), incarnation: try parse(incarnation, "incarnation"),
            boot: try parse(bootID, "boot_id"))
    }

    /// What is said.
    public func value() throws(MappingError) -> AgentMessage {
        switch body {
        case .hello(let hello): return .hello(try hello.value())
        case .stateAck(let ack): return .stateAck(ack.position.value)
        case .leaseRequest(let request):
            return .leaseRequest(
                LeaseRequest(
                    request: request.request,
                    application: try parse(request.application, "lease_request.application"),
                    waiting: Int(request.waiting)))
        case .drainAnswer(let answer): return .drainAnswer(try answer.value())
        case .bindingReport(let report):
            var events: [BindingRecord] = []
            for event in report.events { events.append(try event.value("binding_report.events")) }
            return .bindingReport(BindingReport(journalSequence: report.journalSequence, events: events))
        case .aggregates(let aggregates): return .aggregates(try aggregates.value())
        case .hostReport(let report): return .hostReport(try report.value())
        case .arrival(let arrival): return .arrived(try parseSNI(arrival.sni, "arrival.sni"), Epoch(arrival.epoch))
        case nil: throw MappingError(field: "body", detail: "missing, or of a newer version than this coordinator")
        }
    }
}

extension Outrider_V1_Hello {
    init(_ hello: Hello) {
        self.init()
        fingerprint = hello.fingerprint
        vtep = hello.vtep.description
        underlayMtu = UInt32(hello.underlayMTU)
        position = Outrider_V1_Position(hello.position)
        journalSequence = hello.journalSequence
        version = hello.version
        leases = hello.leases.map(Outrider_V1_LeaseRecord.init)
        bindings = hello.bindings.map(Outrider_V1_BindingRecord.init)
        recovering = hello.recovering
        aggregateSequence = hello.aggregateSequence
        formerVtep = hello.former?.description ?? ""
    }
    func value() throws(MappingError) -> Hello {
        var leases: [LeaseRecord] = []
        for lease in self.leases { leases.append(try lease.value("hello.leases")) }
        var bindings: [BindingRecord] = []
        for binding in self.bindings { bindings.append(try binding.value("hello.bindings")) }
        return Hello(
            fingerprint: fingerprint, vtep: try parse(vtep, "hello.vtep"), underlayMTU: Int(underlayMtu),
            position: position.value, journalSequence: journalSequence, version: version, leases: leases,
            bindings: bindings, recovering: recovering, aggregateSequence: aggregateSequence,
            former: formerVtep.isEmpty ? nil : try parse(formerVtep, "hello.former_vtep"))
    }
}

extension Outrider_V1_DrainAnswer {
    init(_ answer: DrainAnswer) {
        self.init()
        block = Outrider_V1_Block(answer.block)
        epoch = answer.epoch.rawValue
        switch answer.outcome {
        case .drained: drained = true
        case .refused(let reason, let users):
            refusal = reason
            self.users = users.map(\.description)
        }
    }
    func value() throws(MappingError) -> DrainAnswer {
        var interfaces: [VMInterface] = []
        for user in users { interfaces.append(try parseInterface(user, "drain_answer.users")) }
        return DrainAnswer(
            block: try block.value("drain_answer.block"), epoch: Epoch(epoch),
            outcome: drained ? .drained : .refused(reason: refusal, users: interfaces))
    }
}

extension Outrider_V1_HostReport {
    /// The message form of a reconciler's report.
    public init(_ report: HostReport) {
        self.init()
        routes = UInt32(report.routes)
        nexthops = UInt32(report.nexthops)
        nftElements = UInt32(report.nftElements)
        foreign = report.foreign
        kernelWrites = report.kernelWrites
        pending = report.pending
        if let inventory = report.kernel { kernel = Outrider_V1_KernelInventory(inventory) }
        journalFailure = report.journalFailure ?? ""
        paths = UInt32(clamping: report.paths)
        silentPaths = report.silentPaths.map(\.description)
    }
    func value() throws(MappingError) -> HostReport {
        var silent: [IPAddress] = []
        for text in silentPaths { silent.append(try parse(text, "host_report.silent_paths")) }
        return HostReport(
            routes: Int(routes), nexthops: Int(nexthops), nftElements: Int(nftElements), foreign: foreign,
            kernelWrites: kernelWrites, pending: pending, kernel: hasKernel ? try kernel.value() : nil,
            journalFailure: journalFailure.isEmpty ? nil : journalFailure, paths: Int(paths), silentPaths: silent)
    }
}

extension Outrider_V1_KernelInventory {
    init(_ inventory: KernelInventory) {
        self.init()
        position = Outrider_V1_Position(inventory.position)
        localVnis = inventory.localVNIs.map(\.rawValue)
        remoteBlocks = inventory.remoteBlocks.map(Outrider_V1_Block.init)
        ports = inventory.ports.map(\.rawValue)
    }
    func value() throws(MappingError) -> KernelInventory {
        var inventory = KernelInventory(position: position.value)
        for raw in localVnis { inventory.localVNIs.append(try parseSNI(raw, "host_report.kernel.local_vnis")) }
        for block in remoteBlocks {
            inventory.remoteBlocks.append(try block.value("host_report.kernel.remote_blocks"))
        }
        for raw in ports { inventory.ports.append(try parseSNI(raw, "host_report.kernel.ports")) }
        return inventory
    }
}
