import DaemonSupport
import LocalAPI

/// Runs `body` with a connection to this host's agent.
///
/// - Throws: `ControlFailure` with the advice and exit code that the agent's interface gives its errors.
func withAgent<Result>(
    _ options: GlobalOptions, _ body: (inout AgentClient) throws(AgentCallError) -> Result
) throws(ControlFailure) -> Result {
    do throws(AgentCallError) {
        var client = try connect(options.agentSocket)
        return try body(&client)
    } catch {
        throw ControlFailure(ExitStatus(rawValue: error.exitCode) ?? .failure, "\(error)")
    }
}

private func connect(_ path: String) throws(AgentCallError) -> AgentClient {
    do throws(VarlinkClientError) {
        return try AgentClient(path: path)
    } catch {
        throw .connection(error)
    }
}
