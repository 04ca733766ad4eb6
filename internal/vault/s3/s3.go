// Package s3 is a vault's target in an S3 bucket.
//
// A versioned bucket is read by its oldest versions: the vault writes every
// object once, so a later version, or a delete marker, is somebody else's work
// and hides nothing. With object lock on the bucket, objects are put under
// retention, and nobody's keys can remove them before their time.
package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/salvor-project/salvor/internal/vault/target"
)

// Options say where the bucket is. Without an access key the environment
// (AWS_ACCESS_KEY_ID, …) and ~/.aws/credentials are asked.
type Options struct {
	Endpoint                           string // host or host:port
	Plain                              bool   // http; https otherwise
	CAFile                             string // PEM; empty: the machine's
	Region                             string // empty: us-east-1
	Bucket, Prefix                     string // Prefix: a folder in the bucket, may be empty
	PathStyle                          bool   // bucket in the path, not in the host name
	AccessKey, SecretKey, SessionToken string
	CredentialsFile, Profile           string // in the form of ~/.aws/credentials; asked alone, if named
	InstanceRole                       bool   // ask the cloud's metadata service for keys
	Lock                               string // "", "governance" or "compliance": needs a bucket with object lock
	PartSize                           int64  // bytes per part of an upload, from 5 MiB on; zero: 16 MiB
}

// Target holds backups in a bucket.
type Target struct {
	name   string
	props  target.Properties
	core   minio.Core
	bucket string
	prefix string // empty, or with its slash
	mode   minio.RetentionMode
	part   int64

	mu        sync.Mutex
	versioned *bool             // nil until the bucket was asked
	oldest    map[string]string // version of an object, as far as known
}

var (
	_ target.Target   = (*Target)(nil)
	_ target.Retainer = (*Target)(nil)
)

const (
	minPart     = 5 << 20 // S3's own limit
	defaultPart = 16 << 20
	inFlight    = 3 // parts on their way at once, of one upload
)

// New makes a target; nothing is asked of the network yet.
func New(name string, o Options, props target.Properties) (*Target, error) {
	if o.Bucket == "" || o.Endpoint == "" {
		return nil, fmt.Errorf("target %s: endpoint and bucket are needed", name)
	}
	t := &Target{name: name, props: props, bucket: o.Bucket, part: o.PartSize, oldest: map[string]string{}}
	t.mode = minio.RetentionMode(strings.ToUpper(o.Lock))
	if t.mode != "" && !t.mode.IsValid() {
		return nil, fmt.Errorf("target %s: lock is governance or compliance, not %q", name, o.Lock)
	}
	t.props.Immutable = t.mode != ""
	if t.prefix = strings.Trim(o.Prefix, "/"); t.prefix != "" {
		t.prefix += "/"
	}
	if t.part == 0 {
		t.part = defaultPart
	}
	if t.part < minPart {
		return nil, fmt.Errorf("target %s: part size %d is below S3's limit of %d bytes", name, t.part, minPart)
	}
	transport, err := transport(o)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	region := o.Region
	if region == "" {
		region = "us-east-1"
	}
	lookup := minio.BucketLookupAuto
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.New(o.Endpoint, &minio.Options{
		Creds: keys(o), Secure: !o.Plain, Region: region, BucketLookup: lookup,
		Transport: transport, MaxRetries: 3,
	})
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	t.core = minio.Core{Client: client}
	return t, nil
}

func keys(o Options) *credentials.Credentials {
	if o.AccessKey != "" {
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken)
	}
	if o.CredentialsFile != "" {
		return credentials.New(&credentials.FileAWSCredentials{Filename: o.CredentialsFile, Profile: o.Profile})
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if o.InstanceRole {
		chain = append(chain, &credentials.IAM{})
	}
	return credentials.NewChainCredentials(chain)
}

func transport(o Options) (*http.Transport, error) {
	tr, err := minio.DefaultTransport(!o.Plain)
	if err != nil {
		return nil, err
	}
	tr.ResponseHeaderTimeout = time.Minute
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read CA %s: no certificate in it", o.CAFile)
		}
		tr.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return tr, nil
}

// Name is the target's name.
func (t *Target) Name() string { return t.name }

// Properties are the target's labels; Immutable if a lock is configured.
func (t *Target) Properties() target.Properties { return t.props }

// Probe asks whether the bucket is there, may be read, and has what the
// configuration counts on: object lock.
func (t *Target) Probe(ctx context.Context) error {
	there, err := t.core.BucketExists(ctx, t.bucket)
	if err != nil {
		return t.wrap("probe", t.bucket, err)
	}
	if !there {
		return t.wrap("probe", t.bucket, minio.ErrorResponse{Code: minio.NoSuchBucket, Message: "no such bucket"})
	}
	if t.mode == "" {
		return nil
	}
	enabled, _, _, _, err := t.core.GetObjectLockConfig(ctx, t.bucket)
	if err == nil && enabled != "Enabled" {
		err = errors.New("the bucket has no object lock")
	}
	if err != nil {
		return &target.Error{Target: t.name, Op: "probe", Key: t.bucket, Err: err,
			Hint: "object lock is set when a bucket is made; take another bucket or remove the lock from salvor.yaml"}
	}
	return nil
}

// Retain lengthens an object's lock; see target.Retainer.
func (t *Target) Retain(ctx context.Context, key string, until time.Time) error {
	if t.mode == "" {
		return nil
	}
	id, err := t.version(ctx, key)
	if err == nil {
		if now, err := t.lockedUntil(ctx, key, id); err == nil && !until.After(now) {
			return nil
		}
		until = until.UTC()
		err = t.core.PutObjectRetention(ctx, t.bucket, t.prefix+key, minio.PutObjectRetentionOptions{
			Mode: &t.mode, RetainUntilDate: &until, VersionID: id})
	}
	return t.wrap("retain", key, err)
}

// wrap gives an error its name and what to do.
func (t *Target) wrap(op, key string, err error) error {
	var said *target.Error
	if err == nil || errors.As(err, &said) {
		return err
	}
	e := &target.Error{Target: t.name, Op: op, Key: key, Err: err}
	say := func(known error, hint string) error {
		e.Err, e.Hint = fmt.Errorf("%w: %w", known, err), hint
		return e
	}
	var res minio.ErrorResponse
	errors.As(err, &res) // joined, where parts of an upload have failed
	switch res.Code {
	case minio.NoSuchKey, "NoSuchVersion":
		return say(target.ErrNotFound, "")
	case minio.NoSuchBucket:
		e.Hint = "make the bucket " + t.bucket + " or correct its name"
	case minio.PreconditionFailed, "ConditionalRequestConflict":
		return say(target.ErrExists, "")
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired":
		return say(target.ErrDenied, "the access key is wrong or has expired: replace it")
	case "RequestTimeTooSkewed":
		return say(target.ErrDenied, "set this machine's clock: the server's differs by more than 15 minutes")
	case minio.AccessDenied, "AllAccessDisabled", "AccountProblem":
		if own, err := t.core.GetCreds(); err == nil && own.AccessKeyID == "" {
			return say(target.ErrDenied, "no access key was found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file of credentials")
		}
		return say(target.ErrDenied, "the key needs ListBucket, GetObject, PutObject and DeleteObject on bucket "+t.bucket)
	case "ObjectLocked", "InvalidRequest.ObjectLocked":
		return say(target.ErrLocked, "")
	case "QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "EntityTooLarge.Quota":
		return say(target.ErrFull, "raise the bucket's quota or prune the vault")
	}
	switch res.StatusCode {
	case http.StatusInsufficientStorage:
		return say(target.ErrFull, "raise the bucket's quota or prune the vault")
	case http.StatusUnauthorized, http.StatusForbidden:
		return say(target.ErrDenied, "the access key is wrong, has expired or may not do this")
	}
	return e
}
