import ControlAPI
import ControlAPIMapping
import FleetMapping
import CoordinatorCore
import GRPCCore
import SwiftProtobuf

/// Applications, their sessions, and the VMs that agents report.
struct SessionManagerService: Outrider_V1_SessionManager.SimpleServiceProtocol {
    let shell: CoordinatorShell

    func createApplication(
        request: Outrider_V1_CreateApplicationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Application {
        try await shell.answer({ () throws(MappingError) in try request.command() }, Self.application)
    }

    func updateApplication(
        request: Outrider_V1_UpdateApplicationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Application {
        try await shell.answer({ () throws(MappingError) in try request.command() }, Self.application)
    }

    func deleteApplication(
        request: Outrider_V1_DeleteApplicationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Application {
        try await shell.answer({ request.command() }, Self.application)
    }

    func getApplication(
        request: Outrider_V1_GetApplicationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Application {
        Outrider_V1_Application(
            try await shell.read { (machine, _) throws(CoordinatorError) in try machine.application(request.application)
            })
    }

    func listApplications(
        request: Outrider_V1_ListApplicationsRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListApplicationsResponse {
        let applications = try await shell.read { (machine, _) throws(CoordinatorError) in machine.applications() }
        return .with { $0.applications = applications.map(Outrider_V1_Application.init) }
    }

    func createSession(
        request: Outrider_V1_CreateSessionRequest, context: ServerContext
    ) async throws -> Outrider_V1_Session {
        try await shell.answer({ request.command() }, Self.session)
    }

    func endSession(
        request: Outrider_V1_EndSessionRequest, context: ServerContext
    ) async throws -> Outrider_V1_Session {
        try await shell.answer({ () throws(MappingError) in try request.command() }, Self.session)
    }

    func listSessions(
        request: Outrider_V1_ListSessionsRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListSessionsResponse {
        let sessions = try await shell.read { (machine, _) throws(CoordinatorError) in
            try machine.sessions(of: request.application)
        }
        return .with { $0.sessions = sessions.map(Outrider_V1_Session.init) }
    }

    func listVirtualMachines(
        request: Outrider_V1_ListVirtualMachinesRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListVirtualMachinesResponse {
        let host = try filter { () throws(MappingError) in try request.hostFilter() }
        let machines = try await shell.read { (machine, _) throws(CoordinatorError) in
            try machine.virtualMachines(of: request.application, on: host)
        }
        return .with { $0.virtualMachines = machines.map(Outrider_V1_VirtualMachine.init) }
    }

    @Sendable private static func application(_ reply: Reply) -> Outrider_V1_Application? {
        guard case .application(let info) = reply else { return nil }
        return Outrider_V1_Application(info)
    }

    @Sendable private static func session(_ reply: Reply) -> Outrider_V1_Session? {
        guard case .session(let info) = reply else { return nil }
        return Outrider_V1_Session(info)
    }
}
