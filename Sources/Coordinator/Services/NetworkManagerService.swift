import ControlAPI
import ControlAPIMapping
import FleetMapping
import CoordinatorCore
import GRPCCore
import SwiftProtobuf

/// The identifier space: pool, ranges, reservations, block leases, reclamation.
struct NetworkManagerService: Outrider_V1_NetworkManager.SimpleServiceProtocol {
    let shell: CoordinatorShell

    func getCapabilities(
        request: Outrider_V1_GetCapabilitiesRequest, context: ServerContext
    ) async throws -> Outrider_V1_Capabilities {
        Outrider_V1_Capabilities(
            try await shell.read { (machine, _) throws(CoordinatorError) in machine.capabilities() })
    }

    func allocateRange(
        request: Outrider_V1_AllocateRangeRequest, context: ServerContext
    ) async throws -> Outrider_V1_AllocateRangeResponse {
        try await shell.answer({ request.command() }) { reply in
            guard case .range(let grant) = reply else { return nil }
            return Outrider_V1_AllocateRangeResponse(grant)
        }
    }

    func extendReservation(
        request: Outrider_V1_ExtendReservationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Reservation {
        try await shell.answer({ () throws(MappingError) in try request.command() }, Self.reservation)
    }

    func releaseReservation(
        request: Outrider_V1_ReleaseReservationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Reservation {
        try await shell.answer({ () throws(MappingError) in try request.command() }, Self.reservation)
    }

    func listReservations(
        request: Outrider_V1_ListReservationsRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListReservationsResponse {
        let reservations = try await shell.read { (machine, now) throws(CoordinatorError) in
            try machine.reservations(of: request.application, at: now)
        }
        return .with { $0.reservations = reservations.map(Outrider_V1_Reservation.init) }
    }

    func listRanges(
        request: Outrider_V1_ListRangesRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListRangesResponse {
        let ranges = try await shell.read { (machine, _) throws(CoordinatorError) in
            try machine.ranges(of: request.application)
        }
        return .with { $0.ranges = ranges.map(Outrider_V1_RangeInfo.init) }
    }

    func listLeases(
        request: Outrider_V1_ListLeasesRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListLeasesResponse {
        let host = try filter { () throws(MappingError) in try request.hostFilter() }
        let last = try filter { () throws(MappingError) in try request.lastBlock() }
        let leases = try await shell.read { (machine, _) throws(CoordinatorError) in
            try machine.leases(of: request.application, on: host, after: last, limit: request.entryLimit)
        }
        return .with { $0.leases = leases.map(Outrider_V1_Lease.init) }
    }

    func reclaim(
        request: Outrider_V1_ReclaimRequest, context: ServerContext
    ) async throws -> Outrider_V1_ReclaimResponse {
        try await shell.answer({ () throws(MappingError) in try request.command() }) { reply in
            guard case .reclaim(let items) = reply else { return nil }
            return .with { $0.items = items.map(Outrider_V1_ReclaimItem.init) }
        }
    }

    func listReclaimed(
        request: Outrider_V1_ListReclaimedRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListReclaimedResponse {
        let entries = try await shell.read { (machine, _) throws(CoordinatorError) in
            machine.reclaimed(after: request.after, limit: request.entryLimit)
        }
        return .with { $0.entries = entries.map(Outrider_V1_Reclaimed.init) }
    }

    func check(request: Outrider_V1_CheckRequest, context: ServerContext) async throws -> Outrider_V1_CheckResponse {
        Outrider_V1_CheckResponse(
            try await shell.read { (machine, now) throws(CoordinatorError) in machine.check(at: now) })
    }

    func getSharding(
        request: Outrider_V1_GetShardingRequest, context: ServerContext
    ) async throws -> Outrider_V1_ShardingConfiguration {
        Outrider_V1_ShardingConfiguration(
            try await shell.read { (machine, _) throws(CoordinatorError) in machine.sharding() })
    }

    func diffSharding(
        request: Outrider_V1_DiffShardingRequest, context: ServerContext
    ) async throws -> Outrider_V1_ShardingDifference {
        let document = try filter { () throws(MappingError) in try request.value() }
        return Outrider_V1_ShardingDifference(
            try await shell.read { (machine, _) throws(CoordinatorError) in
                try machine.shardingDifference(to: document)
            })
    }

    func applySharding(
        request: Outrider_V1_ApplyShardingRequest, context: ServerContext
    ) async throws -> Outrider_V1_ApplyShardingResponse {
        try await shell.answer({ () throws(MappingError) in try request.command() }) { reply in
            guard case .sharding(let difference, let left) = reply else { return nil }
            return Outrider_V1_ApplyShardingResponse(difference, excludingLeft: left)
        }
    }

    func endRestoration(
        request: Outrider_V1_EndRestorationRequest, context: ServerContext
    ) async throws -> Outrider_V1_CheckResponse {
        try await shell.answer({ () throws(MappingError) in request.command() }) { reply in
            guard case .check(let report) = reply else { return nil }
            return Outrider_V1_CheckResponse(report)
        }
    }

    @Sendable private static func reservation(_ reply: Reply) -> Outrider_V1_Reservation? {
        guard case .reservation(let info) = reply else { return nil }
        return Outrider_V1_Reservation(info)
    }
}
