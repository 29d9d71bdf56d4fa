import ArgumentParser
import ControlAPI
import DaemonSupport
import GRPCCore
import GRPCNIOTransportHTTP2Posix

/// The coordinator's services over one connection.
struct Coordinator {
    typealias Transport = HTTP2ClientTransport.Posix

    let network: Outrider_V1_NetworkManager.Client<Transport>
    let sessions: Outrider_V1_SessionManager.Client<Transport>
    let profiler: Outrider_V1_BehavioralProfiler.Client<Transport>
    let allocator: Outrider_V1_PredictiveAllocator.Client<Transport>
    let fleet: Outrider_V1_Fleet.Client<Transport>
    /// Options of every call: the deadline.
    let call: CallOptions

    init(_ client: GRPCClient<Transport>, timeout: Duration) {
        network = .init(wrapping: client)
        sessions = .init(wrapping: client)
        profiler = .init(wrapping: client)
        allocator = .init(wrapping: client)
        fleet = .init(wrapping: client)
        var call = CallOptions.defaults
        call.timeout = timeout
        self.call = call
    }

    /// Names of applications by id, for tables; JSON keeps the ids.
    func applicationNames(for output: Output) async throws -> Names {
        guard output.format == .table else { return Names() }
        do {
            return Names(try await sessions.listApplications(.init(), options: call).applications)
        } catch let error as RPCError where error.code == .unimplemented {
            // A profiler alone knows no names but in its answers.
            return Names()
        }
    }
}

/// Names of applications by id.
struct Names {
    private var byID: [String: String] = [:]

    init(_ applications: [Outrider_V1_Application] = []) {
        for application in applications { byID[application.id] = application.name }
    }

    /// The name, or the id of an application that has gone.
    subscript(id: String) -> String { byID[id] ?? id }
}

/// A verb that asks the coordinator: opens the connection, runs, closes, and turns gRPC errors into failures.
protocol CoordinatorCommand: AsyncParsableCommand {
    var options: GlobalOptions { get }
    func run(_ coordinator: Coordinator, _ output: Output) async throws
}

extension CoordinatorCommand {
    mutating func run() async throws {
        let command = self
        try await withCoordinator(options) { try await command.run($0, Output(format: command.options.output)) }
    }
}

/// Runs `body` with a connection to the coordinator that `options` name.
///
/// - Throws: `ControlFailure` for everything that gRPC says, else what `body` throws.
func withCoordinator<Result: Sendable>(
    _ options: GlobalOptions, _ body: (Coordinator) async throws -> Result
) async throws -> Result {
    let endpoint = try options.endpoint()
    do {
        let transport = try HTTP2ClientTransport.Posix(
            target: .dns(host: endpoint.hostText, port: Int(endpoint.port)), transportSecurity: .plaintext)
        return try await withGRPCClient(transport: transport) { client in
            try await body(Coordinator(client, timeout: options.timeout.duration))
        }
    } catch let error as RPCError {
        throw ControlFailure(error, coordinator: options.coordinator)
    }
}
