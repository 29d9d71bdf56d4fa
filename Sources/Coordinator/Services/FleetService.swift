import ControlAPI
import ControlAPIMapping
import FleetMapping
import CoordinatorCore
import FleetProtocol
import GRPCCore
import NetworkTypes
import SwiftProtobuf

/// Hosts and their agents.
struct FleetService: Outrider_V1_Fleet.SimpleServiceProtocol {
    let shell: CoordinatorShell

    /// One stream per agent: what it says goes to the machine in order, what the machine says to it comes out of the
    /// stream's queue. The stream ends when either side ends it.
    func connect(
        request: RPCAsyncSequence<Outrider_V1_AgentMessage, any Error>,
        response: RPCWriter<Outrider_V1_CoordinatorMessage>, context: ServerContext
    ) async throws {
        let (id, outbox) = try shell.streams.open()
        await shell.connected(id)
        let outcome: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await receive(request, on: id) }
                group.addTask { for try await message in outbox { try await response.write(message) } }
                // Whoever ends first ends the stream: an agent that stopped speaking, or a queue that was closed.
                defer { group.cancelAll() }
                try await group.next()
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await shell.disconnected(id)
        try outcome.get()
    }

    private func receive(
        _ request: RPCAsyncSequence<Outrider_V1_AgentMessage, any Error>, on id: StreamID
    ) async throws {
        for try await message in request {
            do throws(MappingError) {
                await shell.received(id, try message.identity(), try message.value())
            } catch {
                throw RPCError(error)
            }
        }
    }

    func listHosts(
        request: Outrider_V1_ListHostsRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListHostsResponse {
        let hosts = try await shell.read { (machine, now) throws(CoordinatorError) in machine.hosts(at: now) }
        return .with { $0.hosts = hosts.map(Outrider_V1_Host.init) }
    }

    func thawHost(request: Outrider_V1_ThawHostRequest, context: ServerContext) async throws -> Outrider_V1_Host {
        try await shell.answer { () throws(MappingError) in
            try request.command()
        } _: {
            $0.host
        }
    }

    func fenceHost(request: Outrider_V1_FenceHostRequest, context: ServerContext) async throws -> Outrider_V1_Host {
        try await shell.answer { () throws(MappingError) in
            try request.command()
        } _: {
            $0.host
        }
    }

    func replaceHost(
        request: Outrider_V1_ReplaceHostRequest, context: ServerContext
    ) async throws -> Outrider_V1_Host {
        try await shell.answer { () throws(MappingError) in
            try request.command()
        } _: {
            $0.host
        }
    }

    func migrate(request: Outrider_V1_MigrateRequest, context: ServerContext) async throws -> Outrider_V1_Migration {
        try await shell.answer { () throws(MappingError) in
            try request.command()
        } _: {
            $0.migration
        }
    }

    func abortMigration(
        request: Outrider_V1_AbortMigrationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Migration {
        try await shell.answer { () throws(MappingError) in
            try request.command()
        } _: {
            $0.migration
        }
    }

    func listMigrations(
        request: Outrider_V1_ListMigrationsRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListMigrationsResponse {
        let migrations = try await shell.read { (machine, _) throws(CoordinatorError) in machine.migrations() }
        return .with { $0.migrations = migrations.map(Outrider_V1_Migration.init) }
    }

    func getStatus(request: Outrider_V1_GetStatusRequest, context: ServerContext) async throws -> Outrider_V1_Status {
        Outrider_V1_Status(
            try await shell.read { (machine, now) throws(CoordinatorError) in machine.status(at: now) })
    }
}

extension Reply {
    fileprivate var host: Outrider_V1_Host? {
        if case .host(let info) = self { Outrider_V1_Host(info) } else { nil }
    }
    fileprivate var migration: Outrider_V1_Migration? {
        if case .migration(let info) = self { Outrider_V1_Migration(info) } else { nil }
    }
}
