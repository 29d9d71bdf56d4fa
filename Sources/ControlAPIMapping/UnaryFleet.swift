public import ControlAPI
public import CoordinatorCore
public import FleetMapping
import FleetProtocol
import NetworkTypes
import SwiftProtobuf

extension Outrider_V1_HostState {
    public init(_ state: HostState) {
        switch state {
        case .connected: self = .connected
        case .unreachable: self = .unreachable
        case .refused: self = .refused
        case .repaying: self = .repaying
        case .frozen: self = .frozen
        case .fencing: self = .fencing
        case .fenced: self = .fenced
        case .withdrawing: self = .withdrawing
        case .recovering: self = .recovering
        case .impaired: self = .impaired
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
        reason = info.reason
        formerVtep = info.former?.description ?? ""
        vtepAwaits = info.awaited.map(\.name)
    }
}

extension Outrider_V1_Status {
    public init(_ info: StatusInfo) {
        self.init()
        version = info.version
        position = Outrider_V1_Position(info.position)
        hosts = UInt32(clamping: info.hosts)
        blocksStaged = UInt32(clamping: info.blocksStaged)
        blocksStagedPartial = UInt32(clamping: info.blocksPartial)
        profiles = UInt32(clamping: info.profiles)
        profilesEvicted = UInt64(clamping: info.profilesEvicted)
        unknownEntries = UInt64(clamping: info.unknownEntries)
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

extension Outrider_V1_Migration {
    public init(_ info: MigrationInfo) {
        self.init()
        sni = info.migration.sni.rawValue
        vm = info.migration.interface.vm
        nic = UInt32(info.migration.interface.nic)
        application = info.migration.application.description
        source = info.migration.source.name
        destination = info.migration.destination.name
        phase = Outrider_V1_MigrationPhase(info.migration.phase)
        aborted = info.migration.isAborted
        waitsFor = info.waitsFor.map(\.name)
    }
}

// MARK: Requests

extension Outrider_V1_ThawHostRequest {
    public func command() throws(MappingError) -> Command {
        .thawHost(try parse(host, "host"), keep: keep.isEmpty ? nil : keep)
    }
}

extension Outrider_V1_FenceHostRequest {
    public func command() throws(MappingError) -> Command {
        let value: FenceProof
        switch proof {
        case .poweredOff: value = .poweredOff
        case .unspecified, .cutOff: value = .cutOff
        case .assumedOff: value = .assumedOff
        case .UNRECOGNIZED: throw MappingError(field: "proof", detail: "unknown value \(proof.rawValue)")
        }
        return .fenceHost(try parse(host, "host"), proof: value, reason: reason)
    }
}

extension Outrider_V1_ReplaceHostRequest {
    public func command() throws(MappingError) -> Command {
        .replaceHost(try parse(host, "host"), reason: reason)
    }
}

extension Outrider_V1_MigrateRequest {
    public func command() throws(MappingError) -> Command {
        .migrate(try parseInterface("\(vm)/\(nic)", "vm"), to: try parse(host, "host"))
    }
}

extension Outrider_V1_AbortMigrationRequest {
    public func command() throws(MappingError) -> Command {
        .abortMigration(try parseInterface("\(vm)/\(nic)", "vm"), reason: reason)
    }
}
