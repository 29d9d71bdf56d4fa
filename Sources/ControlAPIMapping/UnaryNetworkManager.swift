public import ControlAPI
public import CoordinatorCore
public import FleetMapping
public import NetworkTypes
public import SNISpace
import SwiftProtobuf

extension Outrider_V1_Capabilities {
    public init(_ value: Capabilities) {
        self.init()
        chunkSize = UInt32(clamping: value.chunkSize)
        shuffled = value.shuffled
        blockSizes = value.blockSizes.map { UInt32(clamping: $0) }
        pool = value.pool.map(Outrider_V1_Range.init)
        excluded = value.excluded.map(Outrider_V1_Range.init)
        overlayIpv4 = value.overlay.ipv4.description
        overlayIpv6 = value.overlay.ipv6.description
        free = UInt32(clamping: value.free)
        position = Outrider_V1_Position(value.position)
    }
}

extension Outrider_V1_Reservation {
    public init(_ info: ReservationInfo) {
        self.init()
        id = info.id.description
        application = info.application.description
        range = Outrider_V1_Range(info.range)
        predicted = info.predicted
        expiresInMs = milliseconds(info.expiresIn)
        reason = info.reason
    }
}

extension Outrider_V1_AllocateRangeResponse {
    public init(_ grant: RangeGrant) {
        self.init()
        range = Outrider_V1_Range(grant.range)
        reservation = Outrider_V1_Reservation(grant.reservation)
        granted = UInt32(clamping: grant.granted)
    }
}

extension Outrider_V1_RangeInfo {
    public init(_ info: RangeInfo) {
        self.init()
        range = Outrider_V1_Range(info.range)
        application = info.application.description
        reserved = UInt32(clamping: info.reserved)
        leased = UInt32(clamping: info.leased)
        bound = UInt32(clamping: info.bound)
        quarantined = UInt32(clamping: info.quarantined)
    }
}

extension Outrider_V1_LeaseState {
    public init(_ state: LeaseState) {
        switch state {
        case .leased: self = .leased
        case .staged: self = .staged
        case .marked: self = .marked
        case .draining: self = .draining
        case .quarantined: self = .quarantined
        }
    }
}

extension Outrider_V1_Lease {
    public init(_ info: LeaseInfo) {
        self.init()
        block = Outrider_V1_Block(info.block)
        application = info.application.description
        host = info.host.name
        epoch = info.epoch.rawValue
        state = info.silentPeers.isEmpty ? Outrider_V1_LeaseState(info.state) : .stagedPartial
        silentPeers = info.silentPeers.map(\.name)
        bound = UInt32(clamping: info.bound)
        predicted = info.predicted
    }
}

extension Outrider_V1_ReclaimItem {
    public init(_ item: ReclaimItem) {
        self.init()
        block = Outrider_V1_Block(item.block)
        application = item.application.description
        host = item.host?.name ?? ""
        accepted = item.accepted
        refusal = item.refusal
        users = item.users.map(\.description)
    }
}

extension Outrider_V1_Reclaimed {
    public init(_ entry: ReclaimedBlock) {
        self.init()
        cursor = entry.cursor
        block = Outrider_V1_Block(entry.block)
        application = entry.application.description
        host = entry.host.name
        reason = entry.reason
    }
}

extension Outrider_V1_CheckResponse {
    public init(_ report: CheckReport) {
        self.init()
        findings = report.findings.map { finding in
            Outrider_V1_Finding.with {
                $0.code = finding.code
                $0.object = finding.object
                $0.detail = finding.detail
                $0.remedy = finding.remedy
            }
        }
        hostsCompared = UInt32(clamping: report.hostsCompared)
        blocksCompared = UInt32(clamping: report.blocksCompared)
    }
}

// MARK: Requests

extension Outrider_V1_AllocateRangeRequest {
    public func command() -> Command {
        .allocateRange(
            application, count: Int(predictedVmCount), confidence: confidence, idempotencyKey: idempotencyKey,
            lifetime: lifetimeMs == 0 ? nil : duration(milliseconds: lifetimeMs))
    }
}

extension Outrider_V1_ExtendReservationRequest {
    public func command() throws(MappingError) -> Command {
        .extendReservation(try parse(id, "id"), lifetime: duration(milliseconds: lifetimeMs))
    }
}

extension Outrider_V1_ReleaseReservationRequest {
    public func command() throws(MappingError) -> Command { .releaseReservation(try parse(id, "id"), reason: reason) }
}

extension Outrider_V1_ReclaimRequest {
    public func command() throws(MappingError) -> Command {
        let value: ReclaimTarget
        switch target {
        case .sni(let raw): value = .identifier(try parseSNI(raw, "sni"))
        case .range(let range): value = .range(try range.value("range"))
        case .application(let reference): value = .application(reference)
        case .host(let name): value = .host(try parse(name, "host"))
        case nil: throw MappingError(field: "target", detail: "missing; give one of sni, range, application, host")
        }
        return .reclaim(value, dryRun: dryRun, reason: reason, force: force)
    }
}

extension Outrider_V1_EndRestorationRequest {
    public func command() -> Command { .endRestoration(reason: reason) }
}

extension Outrider_V1_ListLeasesRequest {
    /// Nil means every host.
    public func hostFilter() throws(MappingError) -> HostID? { host.isEmpty ? nil : try parse(host, "host") }

    /// Nil begins.
    public func lastBlock() throws(MappingError) -> SNIBlock? { hasAfter ? try after.value("after") : nil }

    public var entryLimit: Int { limit == 0 ? .max : Int(limit) }
}

extension Outrider_V1_ListReclaimedRequest {
    /// Entries in one answer when the caller does not say.
    private static let defaultLimit = 1000

    public var entryLimit: Int { limit == 0 ? Self.defaultLimit : Int(limit) }
}
