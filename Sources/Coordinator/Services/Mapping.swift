import ControlAPIMapping
import FleetMapping
import CoordinatorCore
import GRPCCore

extension CoordinatorShell {
    /// Performs the command that a request stands for and turns its reply into the response.
    nonisolated func answer<Response: Sendable>(
        _ command: @Sendable () throws(MappingError) -> Command, _ response: @Sendable (Reply) -> Response?
    ) async throws -> Response {
        let value: Command
        do { value = try command() } catch { throw RPCError(error) }
        let reply = try await execute(value)
        guard let response = response(reply) else {
            throw RPCError(code: .internalError, message: "the machine answered a command with another one's reply")
        }
        return response
    }
}

/// The value behind a request's filter, or the status that names its field.
func filter<Value>(_ body: () throws(MappingError) -> Value) throws(RPCError) -> Value {
    do { return try body() } catch { throw RPCError(error) }
}
