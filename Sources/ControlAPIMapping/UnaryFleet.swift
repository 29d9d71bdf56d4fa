public import ControlAPI
public import CoordinatorCore
import FleetMapping
import FleetProtocol
import NetworkTypes
import SwiftProtobuf

extension Outrider_V1_HostState {
    public init(_ state: HostState) {
        switch state {
        case .connected: self = .connected
        case .unreachable: self = .unreachable
        case .refused: self = .refused
        }
    }
}

extension Outrider_V1_Host {
    public init(_ info: HostInfo) {
        self.init()
        id = info.id.name
        vtep = info.vtep.description
        state = Outrider_V1_HostState(info.state)
        incarnation = info.incarnation.description
        bootID = info.boot.description
        leases = UInt32(clamping: info.leases)
        bound = UInt32(clamping: info.bound)
        acknowledgedRevision = info.acknowledgedRevision
        version = info.version
        if let report = info.report { self.report = Outrider_V1_HostReport(report) }
        silentMs = milliseconds(info.silent)
    }
}

extension Outrider_V1_Status {
    public init(_ info: StatusInfo) {
        self.init()
        version = info.version
        position = Outrider_V1_Position(info.position)
        hosts = UInt32(clamping: info.hosts)
        hostsConnected = UInt32(clamping: info.hostsConnected)
        applications = UInt32(clamping: info.applications)
        free = UInt32(clamping: info.free)
        reserved = UInt32(clamping: info.reserved)
        leasedIdle = UInt32(clamping: info.leasedIdle)
        bound = UInt32(clamping: info.bound)
        reclaiming = UInt32(clamping: info.reclaiming)
        quarantined = UInt32(clamping: info.quarantined)
        launches = Outrider_V1_LaunchCounts.with {
            $0.staged = info.launches.staged
            $0.leased = info.launches.leased
            $0.reserved = info.launches.reserved
            $0.cold = info.launches.cold
        }
        uptimeS = UInt64(max(0, info.uptime.components.seconds))
    }
}
