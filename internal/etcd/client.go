package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/salvor-project/salvor/internal/cluster"
)

// Client is a connection to one etcd member.
type Client struct {
	c           *clientv3.Client
	maintenance pb.MaintenanceClient
}

// Dial makes a client of one member; endpoints are all client URLs of that
// same member. It reads the TLS files but connects to nothing: the first call
// does, and fails at once, with the cause, when the member cannot be reached.
// The caller closes the client.
func Dial(_ context.Context, endpoints []string, files cluster.TLS) (*Client, error) {
	if len(endpoints) == 0 {
		return nil, errors.New("dial etcd: no client URL is configured")
	}
	conf, err := tlsConfig(files)
	if err != nil {
		return nil, fmt.Errorf("dial etcd: %w", err)
	}
	c, err := clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		TLS:                  conf,
		Logger:               zap.NewNop(),
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		// One attempt: a Salvor call says what it retries, and why.
		MaxUnaryRetries: 1,
		DialOptions: []grpc.DialOption{
			grpc.WithChainUnaryInterceptor(failFastUnary),
			grpc.WithChainStreamInterceptor(failFastStream),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("dial etcd %s: %w", strings.Join(endpoints, ","), err)
	}
	return &Client{c: c, maintenance: pb.NewMaintenanceClient(c.ActiveConnection())}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.c.Close() }

// Endpoints lists the member's client URLs.
func (c *Client) Endpoints() []string { return c.c.Endpoints() }

// failFastUnary undoes the etcd client's WaitForReady(true), which hides
// "connection refused" and certificate errors behind a timeout.
func failFastUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}

func failFastStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return stream(ctx, desc, cc, method, append(opts, grpc.WaitForReady(false))...)
}

// tlsConfig reads the files; no file at all means plain text, and the system's
// authorities for an https URL.
func tlsConfig(files cluster.TLS) (*tls.Config, error) {
	if files == (cluster.TLS{}) {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		pem, err := os.ReadFile(files.CA)
		if err != nil {
			return nil, fmt.Errorf("read certificate authority: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read certificate authority %s: it holds no PEM certificate", files.CA)
		}
	}
	if files.Cert == "" && files.Key == "" {
		return conf, nil
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("read client certificate %s with key %s: %w", files.Cert, files.Key, err)
	}
	conf.Certificates = []tls.Certificate{pair}
	return conf, nil
}

// short gives an error as a phrase for Known.Why: gRPC's wrapping is noise.
func short(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	s, ok := status.FromError(err)
	if !ok {
		return err.Error()
	}
	if s.Code() == codes.DeadlineExceeded {
		return "no answer in time"
	}
	msg := s.Message()
	for _, prefix := range []string{"last connection error: ", "connection error: desc = ", "transport: "} {
		if _, after, found := strings.Cut(msg, prefix); found {
			msg = after
		}
	}
	return strings.Trim(msg, `"`)
}

// plain makes an error readable without losing what errors.Is can find.
type plain struct{ err error }

func (p plain) Error() string { return short(p.err) }
func (p plain) Unwrap() error { return p.err }

// failed wraps an error of the etcd client; nil stays nil.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, plain{err})
}
