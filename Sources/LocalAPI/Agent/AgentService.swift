/// What the agent does behind its socket.
public protocol AgentService: Sendable {
    func attach(_ call: AttachCall) async throws(AgentFailure) -> Attachment
    func plug(_ call: PlugCall) async throws(AgentFailure) -> Attachment
    func detach(_ call: DetachCall) async throws(AgentFailure)
    /// Ends the recovery from a lost journal.
    func resolve() async throws(AgentFailure)
    func status() async throws(AgentFailure) -> AgentStatusReport
    /// Packets that the host's filters dropped, by reason.
    func drops() async throws(AgentFailure) -> DropReport
}

extension VarlinkServer {
    /// Serves an agent on `path`, for root and `group`.
    public static func listen(
        path: String, group: UInt32?, version: String, limits: VarlinkLimits = VarlinkLimits(),
        agent: some AgentService
    ) throws(VarlinkServerError) -> VarlinkServer {
        try listen(
            path: path, group: group, info: VarlinkServiceInfo(product: "outrider-agent", version: version),
            interfaces: [AgentInterface.name: AgentInterface.description], limits: limits
        ) { call, _ in
            do {
                return .success(try await answer(call, from: agent))
            } catch let failure as VarlinkFailure {
                return .failure(failure)
            } catch let failure as AgentFailure {
                return .failure(failure.varlink)
            } catch {
                return .failure(AgentFailure.dataplaneFailed(reason: "\(error)").varlink)
            }
        }
    }

    private static func answer(_ call: VarlinkCall, from agent: some AgentService) async throws -> JSONValue {
        switch call.method.dropFirst(AgentInterface.name.count + 1) {
        case "Attach": return try await agent.attach(AttachCall(json: call.parameters)).json
        case "Plug": return try await agent.plug(PlugCall(json: call.parameters)).json
        case "Detach":
            try await agent.detach(DetachCall(json: call.parameters))
            return .object([:])
        case "Resolve":
            try await agent.resolve()
            return .object([:])
        case "Status": return try await agent.status().json
        case "Drops": return try await agent.drops().json
        default: throw VarlinkFailure.methodNotFound(call.method)
        }
    }
}

/// A blocking connection to an agent, for hooks and tools.
public struct AgentClient: ~Copyable, Sendable {
    private var client: VarlinkClient

    public init(path: String) throws(VarlinkClientError) { client = try VarlinkClient(path: path) }

    /// `timeout` bounds the call; nil waits as long as the agent does.
    public mutating func attach(_ call: AttachCall, timeout: Duration? = nil) throws(AgentCallError) -> Attachment {
        let json = try perform("Attach", call.json, timeout: timeout)
        return try Self.read { () throws(VarlinkFailure) in try Attachment(json: json) }
    }
    public mutating func plug(_ call: PlugCall, timeout: Duration? = nil) throws(AgentCallError) -> Attachment {
        let json = try perform("Plug", call.json, timeout: timeout)
        return try Self.read { () throws(VarlinkFailure) in try Attachment(json: json) }
    }
    public mutating func detach(_ call: DetachCall, timeout: Duration? = nil) throws(AgentCallError) {
        _ = try perform("Detach", call.json, timeout: timeout)
    }
    public mutating func resolve(timeout: Duration? = nil) throws(AgentCallError) {
        _ = try perform("Resolve", .object([:]), timeout: timeout)
    }
    public mutating func status(timeout: Duration? = nil) throws(AgentCallError) -> AgentStatusReport {
        let json = try perform("Status", .object([:]), timeout: timeout)
        return try Self.read { () throws(VarlinkFailure) in try AgentStatusReport(json: json) }
    }

    public mutating func drops(timeout: Duration? = nil) throws(AgentCallError) -> DropReport {
        let json = try perform("Drops", .object([:]), timeout: timeout)
        return try Self.read { () throws(VarlinkFailure) in try DropReport(json: json) }
    }

    private mutating func perform(
        _ method: String, _ parameters: JSONValue, timeout: Duration?
    ) throws(AgentCallError) -> JSONValue {
        do {
            return try client.call("\(AgentInterface.name).\(method)", parameters, timeout: timeout)
        } catch .failed(let failure) {
            throw .agent(AgentFailure(failure))
        } catch {
            throw .connection(error)
        }
    }

    private static func read<Value>(
        _ body: () throws(VarlinkFailure) -> Value
    ) throws(AgentCallError) -> Value {
        do {
            return try body()
        } catch {
            throw .connection(.broken(reason: "the answer is not understood: \(error.parameters)"))
        }
    }
}

/// Why a call to the agent failed.
public enum AgentCallError: Error, Hashable, Sendable {
    /// The agent said so.
    case agent(AgentFailure)
    /// It was not reached, or its answer did not come.
    case connection(VarlinkClientError)

    /// Exit code of a program that ends with this error (sysexits.h).
    public var exitCode: Int32 {
        switch self {
        case .agent(let failure): failure.exitCode
        case .connection(let error): error.exitCode
        }
    }
}

extension AgentCallError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .agent(let failure): failure.description
        case .connection(let error): error.description
        }
    }
}

extension VarlinkClientError: CustomStringConvertible {
    /// Exit code of a program that ends with this error (sysexits.h).
    public var exitCode: Int32 {
        switch self {
        case .unavailable: 69
        case .permissionDenied: 77
        case .timedOut: 75
        case .broken: 1
        case .failed(let failure): AgentFailure(failure).exitCode
        }
    }

    public var description: String {
        switch self {
        case .unavailable(let path, let errno):
            "no agent answers on \(path) (errno \(errno)); start outrider-agent or name its socket"
        case .permissionDenied(let path): "\(path) may be used by root and the agent's socket group only"
        case .timedOut(let method, let milliseconds): "\(method) brought no answer within \(milliseconds) ms"
        case .broken(let reason): "the connection to the agent broke: \(reason)"
        case .failed(let failure): AgentFailure(failure).description
        }
    }
}
