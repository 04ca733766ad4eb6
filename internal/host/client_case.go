package host

import (
	"context"
	"encoding/json"
	"errors"
)

// Lock takes the host's lock until this connection ends. When another holds
// it, the error is a *LockedError. Taking it twice is harmless.
func (c *Client) Lock(ctx context.Context, owner Owner) error {
	err := c.Call(ctx, methodLock, owner, nil, nil)
	var remote *RemoteError
	if errors.As(err, &remote) && remote.Code == CodeLocked {
		locked := &LockedError{Host: c.host}
		if json.Unmarshal(remote.Detail, &locked.Owner) == nil {
			return locked
		}
	}
	return err
}

// PutCase is Mirror.Put on the host.
func (c *Client) PutCase(ctx context.Context, caseName, name string, data []byte) error {
	return c.Call(ctx, methodCasePut, casePut{Case: caseName, Name: name, Data: data}, nil, nil)
}

// AppendCase is Mirror.Append on the host.
func (c *Client) AppendCase(ctx context.Context, caseName, name string, line []byte, seq int64) error {
	return c.Call(ctx, methodCaseAppend, caseAppend{Case: caseName, Name: name, Line: line, Seq: seq}, nil, nil)
}

// ListCases is Mirror.List on the host.
func (c *Client) ListCases(ctx context.Context) ([]CaseInfo, error) {
	var all []CaseInfo
	err := c.Call(ctx, methodCaseList, nil, &all, nil)
	return all, err
}

// GetCase is Mirror.Get on the host.
func (c *Client) GetCase(ctx context.Context, caseName, name string) ([]byte, error) {
	var got casePut
	err := c.Call(ctx, methodCaseGet, caseGet{Case: caseName, Name: name}, &got, nil)
	return got.Data, err
}

// Stat tells what lies at an absolute path of the host.
func (c *Client) Stat(ctx context.Context, path string) (FileInfo, error) {
	var info FileInfo
	err := c.Call(ctx, methodFileStat, statParams{Path: path}, &info, nil)
	return info, err
}
