import DaemonSupport
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// Serves `/metrics`, `/healthz` and `/readyz` at one address.
struct HTTPEndpoint: Service {
    /// Connections at once; more wait for one of them to end.
    private static let connectionsMax = 64
    private static let idleLimit = TimeAmount.seconds(30)

    let endpoint: DaemonSupport.Endpoint
    let pages: HTTPPages
    let logger: Logger
    private let port = PortPromise()

    init(endpoint: DaemonSupport.Endpoint, pages: HTTPPages, logger: Logger) {
        self.endpoint = endpoint
        self.pages = pages
        self.logger = logger
    }

    func run() async throws {
        let pages = pages
        let server = try HTTPServerBuilder.http1(configuration: .init(idleTimeout: Self.idleLimit)).buildServer(
            configuration: ServerConfiguration(
                address: .hostname(endpoint.hostText, port: Int(endpoint.port)),
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionsMax)),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: Self.quiet,
            responder: { request, writer, _ in
                let page = await pages.page(request.method, request.uri.path)
                let body = ByteBuffer(string: page.text)
                var head = HTTPResponse(status: .init(code: page.status))
                head.headerFields[.contentType] = page.contentType
                head.headerFields[.contentLength] = "\(body.readableBytes)"
                head.headerFields[.cacheControl] = "no-store"
                let isHead = request.method == .head
                try await writer.write(response: head, body: isHead ? ResponseBody() : ResponseBody(byteBuffer: body))
            }, onServerRunning: { [port] channel in port.set(channel.localAddress?.port) })
        do {
            try await server.run()
        } catch {
            port.set(nil)
            throw HTTPListenError(endpoint: endpoint, cause: "\(error)")
        }
        port.set(nil)
    }

    /// The port in use, once it is; nil when it will not be.
    func boundPort() async -> Int? { await port.value() }

    /// The server speaks of every connection.
    private static let quiet: Logger = {
        var logger = Logger(label: "http") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        return logger
    }()
}

/// A port that is known once a server listens. Leaf data behind a lock.
private final class PortPromise: Sendable {
    private struct State {
        var port: Int?
        var isKnown = false
        var waiting: [CheckedContinuation<Int?, Never>] = []
    }
    private let state = Mutex(State())

    func set(_ port: Int?) {
        let waiting = state.withLock { state in
            if !state.isKnown { state.port = port }
            state.isKnown = true
            defer { state.waiting = [] }
            return state.waiting
        }
        let known = state.withLock { $0.port }
        for continuation in waiting { continuation.resume(returning: known) }
    }

    func value() async -> Int? {
        await withCheckedContinuation { continuation in
            let isKnown = state.withLock { state in
                if !state.isKnown { state.waiting.append(continuation) }
                return state.isKnown
            }
            if isKnown { continuation.resume(returning: state.withLock { $0.port }) }
        }
    }
}

/// An address that cannot be served. Exit code 73.
public struct HTTPListenError: Error, CustomStringConvertible {
    let endpoint: DaemonSupport.Endpoint
    let cause: String

    public var description: String {
        "cannot listen on \(endpoint): \(cause); change 'http-listen' ([] for none), or stop the program that uses the"
            + " address"
    }
}
