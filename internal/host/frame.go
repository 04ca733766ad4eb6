package host

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/salvor-project/salvor/internal/durable"
)

// A bulk session is a sequence of frames in each direction: one byte of type,
// four bytes of payload length (big endian), the payload.
//
//	receiver → sender   alive* offer
//	sender → receiver   alive* start (header (data | raw)* trailer)* end
//	receiver → sender   alive* stored
//
// Either side may send trouble in the place of any frame and is then done. A
// pour has frames of its own: see pour.go.
type frameType byte

const (
	frameOffer   frameType = 'O' // JSON offer
	frameStart   frameType = 'S' // JSON start
	frameHeader  frameType = 'H' // JSON header
	frameData    frameType = 'D' // four bytes of plain length, one zstd frame
	frameTrailer frameType = 'T' // JSON held
	frameEnd     frameType = 'E' // empty
	frameStored  frameType = 'R' // JSON stored
	frameTrouble frameType = 'X' // JSON fault
	frameAlive   frameType = 'K' // empty: work goes on that moves no bytes
	framePour    frameType = 'P' // JSON pourRequest
	frameRaw     frameType = 'B' // plain bytes
	frameResult  frameType = 'Q' // JSON: what a pour gave beside its bytes
)

const (
	// chunkSize is the plain length of a full data frame, in bytes.
	chunkSize = 1 << 20
	// maxFrame bounds a payload, in bytes; offers of many files are the
	// largest.
	maxFrame = 16 << 20
	// bulkProtocol changes with the frames.
	bulkProtocol = 1
)

// held is a file, or the first part of one, that lies at one side.
type held struct {
	Name   string `json:"name"` // empty when the transfer is one file
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// offer is what the receiver already has.
type offer struct {
	Protocol int `json:"protocol"`
	// Complete says that the target itself exists: it is compared and never
	// written.
	Complete bool   `json:"complete"`
	Files    []held `json:"files"`
}

// start is what the sender is about to send.
type start struct {
	Protocol int   `json:"protocol"`
	Dir      bool  `json:"dir"`
	Files    int   `json:"files"`
	Bytes    int64 `json:"bytes"`
}

// header begins one file; its data begin at byte From.
type header struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	From int64  `json:"from"`
	Mode uint32 `json:"mode"`
}

// stored is what the receiver has now, durably.
type stored struct {
	Files []held `json:"files"`
	// File is the state of a single file that was written, and Sealed tells
	// that it ends in the SHA-256 of all before.
	File   durable.FileID `json:"file,omitzero"`
	Sealed bool           `json:"sealed,omitempty"`
}

// frame is one frame as it was read; its payload is valid until the next read.
type frame struct {
	kind    frameType
	payload []byte
}

// frameReader reads frames.
type frameReader struct {
	r   *bufio.Reader
	buf []byte
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, 256<<10)}
}

// next reads one frame. The end of the stream is io.ErrUnexpectedEOF: a whole
// transfer ends with a frame.
func (f *frameReader) next() (frame, error) {
	var head [5]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return frame{}, unexpected(err)
	}
	size := binary.BigEndian.Uint32(head[1:])
	switch frameType(head[0]) {
	case frameOffer, frameStart, frameHeader, frameData, frameTrailer, frameEnd, frameStored, frameTrouble, frameAlive, framePour, frameRaw, frameResult:
	default:
		rest, _ := f.r.Peek(min(f.r.Buffered(), 60))
		return frame{}, fmt.Errorf("the other side said %q, which is no frame of salvor: something else writes to its standard output", append(head[:], rest...))
	}
	if size > maxFrame {
		return frame{}, fmt.Errorf("a frame of %d bytes is too long", size)
	}
	if cap(f.buf) < int(size) {
		f.buf = make([]byte, size)
	}
	f.buf = f.buf[:size]
	if _, err := io.ReadFull(f.r, f.buf); err != nil {
		return frame{}, unexpected(err)
	}
	return frame{frameType(head[0]), f.buf}, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// expect reads the next frame that is not alive, which must be of this kind,
// and decodes its JSON into v.
func (f *frameReader) expect(kind frameType, v any) error {
	for {
		fr, err := f.next()
		if err != nil {
			return err
		}
		if fr.kind == frameAlive {
			continue
		}
		if fr.kind != kind {
			return fmt.Errorf("a frame %q came in the place of %q", fr.kind, kind)
		}
		return fr.decode(v)
	}
}

// decode reads a frame's JSON.
func (f frame) decode(v any) error {
	if err := json.Unmarshal(f.payload, v); err != nil {
		return fmt.Errorf("decode a frame %q: %w", f.kind, err)
	}
	return nil
}

// plain gives the plain length that a data frame claims, in bytes.
func (f frame) plain() (int64, error) {
	if len(f.payload) < 4 {
		return 0, errors.New("a data frame is too short")
	}
	n := binary.BigEndian.Uint32(f.payload)
	if n == 0 || n > chunkSize {
		return 0, fmt.Errorf("a data frame claims %d bytes", n)
	}
	return int64(n), nil
}

// frameWriter writes frames, each with one Write.
type frameWriter struct {
	w   io.Writer
	buf []byte
}

func (f *frameWriter) write(kind frameType, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("write a frame %q: %d bytes are too many", kind, len(payload))
	}
	f.buf = append(f.buf[:0], byte(kind))
	f.buf = binary.BigEndian.AppendUint32(f.buf, uint32(len(payload)))
	f.buf = append(f.buf, payload...)
	_, err := f.w.Write(f.buf)
	return err
}

func (f *frameWriter) json(kind frameType, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.write(kind, b)
}

// alive tells the other side not to give up.
func (f *frameWriter) alive() error { return f.write(frameAlive, nil) }

// packer makes data frames' payloads; every frame is compressed by itself.
type packer struct {
	z   *zstd.Encoder
	buf []byte
}

func newPacker() (*packer, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	return &packer{z: z}, err
}

func (p *packer) pack(plain []byte) []byte {
	p.buf = binary.BigEndian.AppendUint32(p.buf[:0], uint32(len(plain)))
	p.buf = p.z.EncodeAll(plain, p.buf)
	return p.buf
}

// unpacker reads them; a frame that unpacks to more than chunkSize is refused.
type unpacker struct {
	z   *zstd.Decoder
	buf []byte
}

func newUnpacker() (*unpacker, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(chunkSize))
	return &unpacker{z: z}, err
}

func (u *unpacker) unpack(f frame) ([]byte, error) {
	want, err := f.plain()
	if err != nil {
		return nil, err
	}
	u.buf, err = u.z.DecodeAll(f.payload[4:], u.buf[:0])
	if err != nil {
		return nil, fmt.Errorf("unpack a data frame: %w", err)
	}
	if int64(len(u.buf)) != want {
		return nil, fmt.Errorf("unpack a data frame: %d bytes instead of %d", len(u.buf), want)
	}
	return u.buf, nil
}
