public import Allocation
public import ControlAPI
public import CoordinatorCore
public import FleetMapping
import FleetProtocol
public import NetworkTypes

extension Outrider_V1_ApplicationPolicy {
    public init(_ policy: ApplicationPolicy) {
        self.init()
        priority = Outrider_V1_PriorityClass(policy.priority)
        mode = Outrider_V1_PredictionMode(policy.mode)
        floor = UInt32(clamping: policy.floor)
        cap = UInt32(clamping: policy.cap)
        lowWatermark = UInt32(clamping: policy.lowWatermark ?? 0)
        highWatermark = UInt32(clamping: policy.highWatermark ?? 0)
        threshold = policy.threshold ?? 0
        blockSize = UInt32(clamping: policy.blockSize ?? 0)
        allowedApplications = policy.allowed.map(\.description)
        costRatio = policy.costRatio ?? 0
    }

    /// Zero stands for "not given" wherever the policy has a default.
    public func value() throws(MappingError) -> ApplicationPolicy {
        var allowed: [ApplicationID] = []
        for text in allowedApplications { allowed.append(try parse(text, "policy.allowed_applications")) }
        return ApplicationPolicy(
            priority: try priority.value("policy.priority"), mode: try mode.value("policy.mode"), floor: Int(floor),
            cap: Int(cap), lowWatermark: lowWatermark == 0 ? nil : Int(lowWatermark),
            highWatermark: highWatermark == 0 ? nil : Int(highWatermark),
            threshold: threshold == 0 ? nil : threshold, blockSize: blockSize == 0 ? nil : Int(blockSize),
            allowed: allowed, costRatio: costRatio == 0 ? nil : costRatio)
    }
}

extension Outrider_V1_PredictionMode {
    public init(_ mode: PredictionMode) {
        switch mode {
        case .observe: self = .observe
        case .reserve: self = .reserve
        case .stage: self = .stage
        }
    }
    /// Not given means stage.
    public func value(_ field: String) throws(MappingError) -> PredictionMode {
        switch self {
        case .observe: return .observe
        case .reserve: return .reserve
        case .stage, .unspecified: return .stage
        case .UNRECOGNIZED: throw MappingError(field: field, detail: "unknown value \(rawValue)")
        }
    }
}

extension Outrider_V1_Application {
    public init(_ info: ApplicationInfo) {
        self.init()
        id = info.id.description
        name = info.name
        policy = Outrider_V1_ApplicationPolicy(info.policy)
        deleting = info.deleting
        revision = info.revision
        bound = UInt32(clamping: info.bound)
        owned = UInt32(clamping: info.owned)
        leased = UInt32(clamping: info.leased)
    }
}

extension Outrider_V1_Session {
    public init(_ info: SessionInfo) {
        self.init()
        id = info.id.description
        application = info.application.description
        label = info.label
        ended = info.ended
        bound = UInt32(clamping: info.bound)
    }
}

extension Outrider_V1_VirtualMachine {
    public init(_ info: VirtualMachineInfo) {
        self.init()
        vm = info.interface.vm
        nic = UInt32(clamping: info.interface.nic)
        application = info.application.description
        session = info.session?.description ?? ""
        host = info.host.name
        sni = info.sni.rawValue
        servedFrom = Outrider_V1_ServedFrom(info.servedFrom)
    }
}

// MARK: Requests

extension Outrider_V1_CreateApplicationRequest {
    public func command() throws(MappingError) -> Command {
        .createApplication(
            name: name, policy: try policy.value(), id: id.isEmpty ? nil : try parse(id, "id"))
    }
}

extension Outrider_V1_UpdateApplicationRequest {
    public func command() throws(MappingError) -> Command {
        guard hasPolicy else {
            throw MappingError(field: "policy", detail: "missing; send the whole new policy")
        }
        return .updateApplication(application, policy: try policy.value(), expectedRevision: expectedRevision)
    }
}

extension Outrider_V1_DeleteApplicationRequest {
    public func command() -> Command { .deleteApplication(application) }
}

extension Outrider_V1_CreateSessionRequest {
    public func command() -> Command { .createSession(application, label: label) }
}

extension Outrider_V1_EndSessionRequest {
    public func command() throws(MappingError) -> Command { .endSession(try parse(id, "id")) }
}

extension Outrider_V1_ListVirtualMachinesRequest {
    /// Nil means every host.
    public func hostFilter() throws(MappingError) -> HostID? { host.isEmpty ? nil : try parse(host, "host") }
}
