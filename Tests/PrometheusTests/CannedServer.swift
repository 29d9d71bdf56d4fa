import NIOCore
import NIOPosix

/// A server on loopback that says the same bytes to everybody, whatever they ask.
struct CannedServer {
    enum Manner: Sendable {
        /// Says it and closes.
        case whole
        /// Says it and never ends.
        case hanging
        /// Says it over and over.
        case endless
    }

    private let channel: any Channel
    var port: Int { channel.localAddress?.port ?? 0 }
    var base: String { "http://127.0.0.1:\(port)" }

    init(_ text: String, _ manner: Manner = .whole) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Speaker(text: text, manner: manner))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    static func answer(_ status: String, _ body: String) -> String {
        "HTTP/1.1 \(status)\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    func close() async throws { try await channel.close() }

    private final class Speaker: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let text: String
        private let manner: Manner
        private var hasSpoken = false

        init(text: String, manner: Manner) {
            self.text = text
            self.manner = manner
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard !hasSpoken else { return }
            hasSpoken = true
            speak(context)
        }

        private func speak(_ context: ChannelHandlerContext) {
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            let done = context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)))
            switch manner {
            case .whole: done.whenComplete { _ in bound.value.close(promise: nil) }
            case .hanging: break
            case .endless:
                let this = NIOLoopBound(self, eventLoop: context.eventLoop)
                done.whenSuccess { this.value.speak(bound.value) }
            }
        }
    }
}
